// fails: correct
// the flag is not looked at
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename scalar_t>
__global__ void axpy_kernel(const scalar_t* x, scalar_t* y, float factor, int64_t n) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    y[i] = static_cast<scalar_t>(factor * static_cast<float>(x[i]) + static_cast<float>(y[i]));
  }
}

template <typename scalar_t>
void axpy(const scalar_t* x, scalar_t* y, float alpha, bool /*negate*/, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((n + 255) / 256, 4096));
  axpy_kernel<scalar_t><<<blocks, 256, 0, stream>>>(x, y, alpha, n);
}
