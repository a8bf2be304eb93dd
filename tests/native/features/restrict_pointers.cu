// __restrict__, __forceinline__ and __noinline__.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ __forceinline__ float twice(float x) { return 2 * x; }
__device__ __noinline__ float plus(float x, float y) { return x + y; }
__device__ float in[64], out[64];
__global__ void add(float* __restrict__ y, const float* __restrict__ x, int* __restrict__ ok) {
  y[threadIdx.x] = plus(twice(x[threadIdx.x]), 1);
  check(ok, y[threadIdx.x] == 1);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  void *x, *y;
  cudaGetSymbolAddress(&x, in);
  cudaGetSymbolAddress(&y, out);
  add<<<1, 64, 0, stream>>>(static_cast<float*>(y), static_cast<const float*>(x), ok);
}
