// One lane adds for all that are there, and each gets its own place.
#include "checks.h"

#include <cooperative_groups.h>

constexpr int CHECKS = 1;

__device__ int count, places[128];
__global__ void reset() { count = 0; }
__device__ int next_place() {
  auto active = cooperative_groups::coalesced_threads();
  int first = 0;
  if (active.thread_rank() == 0) first = atomicAdd(&count, int(active.size()));
  return active.shfl(first, 0) + active.thread_rank();
}
__global__ void keep_odd() {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i % 2) places[next_place()] = i;
}
__global__ void look(int* ok) {
  int sum = 0;
  for (int i = 0; i < 64; ++i) sum += places[i];
  check(ok, count == 64 && sum == 64 * 64);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  keep_odd<<<2, 64, 0, stream>>>();
  look<<<1, 32, 0, stream>>>(ok);
}
