// __pipeline_memcpy_async and its kin, double buffered.
#include "checks.h"

#include <cuda_pipeline.h>

constexpr int CHECKS = 1;

__device__ __align__(16) float source[512];
__global__ void fill() { source[blockIdx.x * 64 + threadIdx.x] = blockIdx.x; }
__global__ void staged(int* ok) {
  __shared__ __align__(16) float stage[2][64];
  const int t = threadIdx.x;
  float sum = 0;
  __pipeline_memcpy_async(&stage[0][t], source + t, sizeof(float));
  __pipeline_commit();
  for (int i = 0; i < 8; ++i) {
    if (i < 7) __pipeline_memcpy_async(&stage[(i + 1) % 2][t], source + 64 * (i + 1) + t, sizeof(float));
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    sum += stage[i % 2][63 - t];
    __syncthreads();
  }
  check(ok, sum == 28);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<8, 64, 0, stream>>>();
  staged<<<1, 64, 0, stream>>>(ok);
}
