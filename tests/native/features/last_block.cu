// The block that finishes last adds up what all have left.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ float partial[8];
__device__ unsigned finished;
__global__ void reset() { finished = 0; }
__global__ void sum(int* ok) {
  __shared__ bool is_last;
  float value = threadIdx.x;
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = value;
    __threadfence();
    is_last = atomicAdd(&finished, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  value = threadIdx.x < gridDim.x ? partial[threadIdx.x] : 0;
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  check(ok, value == 8 * 496);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  sum<<<8, 32, 0, stream>>>(ok);
}
