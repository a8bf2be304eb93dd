// A group copies to shared memory in the background.
#include "checks.h"

#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>

constexpr int CHECKS = 2;

namespace cg = cooperative_groups;
__device__ __align__(16) float source[256];
__global__ void fill() { source[threadIdx.x] = threadIdx.x; }
__global__ void copies(int* ok) {
  __shared__ __align__(16) float tile[2][128];
  auto block = cg::this_thread_block();
  cg::memcpy_async(block, tile[0], source, sizeof tile[0]);
  cg::memcpy_async(block, tile[1], source + 128, sizeof tile[1]);
  cg::wait_prior<1>(block);
  check(ok + 0, tile[0][127 - threadIdx.x] == 127 - threadIdx.x);
  cg::wait(block);
  check(ok + 1, tile[1][threadIdx.x] == 128 + threadIdx.x);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<1, 256, 0, stream>>>();
  copies<<<1, 64, 0, stream>>>(ok);
}
