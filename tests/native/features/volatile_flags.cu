// A thread waits for a volatile flag that another warp sets.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void waits(int* ok) {
  __shared__ volatile int ready;
  __shared__ int value;
  if (threadIdx.x == 0) ready = 0;
  __syncthreads();
  if (threadIdx.x == 63) {
    value = 7;
    __threadfence_block();
    ready = 1;
  }
  int seen = 7;
  if (threadIdx.x == 0) {
    while (ready == 0) {
    }
    __threadfence_block();
    seen = value;
  }
  check(ok, seen == 7);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  waits<<<1, 64, 0, stream>>>(ok);
}
