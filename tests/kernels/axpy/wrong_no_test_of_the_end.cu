// fails: memory
// the guard tests the first of the four elements only
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Each thread takes four elements that lie a block apart, so that neighbours read neighbours.
template <typename T>
__global__ void axpy_by_four(const T* x, T* y, float alpha, bool negate, int64_t n) {
  int64_t start = static_cast<int64_t>(blockIdx.x) * blockDim.x * 4 + threadIdx.x;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    int64_t i = start + k * static_cast<int64_t>(blockDim.x);
    if (start >= n) break;
    float product = alpha * float(x[i]);
    y[i] = T(negate ? float(y[i]) - product : float(y[i]) + product);
  }
}

template <typename scalar_t>
void axpy(const scalar_t* x, scalar_t* y, float alpha, bool negate, int64_t n, cudaStream_t stream) {
  const int64_t blocks = (n + 255) / 256;
  if (blocks > 0) axpy_by_four<<<blocks, 64, 0, stream>>>(x, y, alpha, negate, n);
}
