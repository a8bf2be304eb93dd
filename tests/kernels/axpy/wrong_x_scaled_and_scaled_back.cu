// fails: inputs
// x is multiplied in place for a moment, and divided back, which does not give the same bits
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename scalar_t>
__global__ void axpy_kernel(const scalar_t* x, scalar_t* y, float factor, int64_t n) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    scalar_t* scaled = const_cast<scalar_t*>(x) + i;
    const float old = static_cast<float>(*scaled);
    *scaled = static_cast<scalar_t>(factor * old);
    y[i] = static_cast<scalar_t>(factor * old + static_cast<float>(y[i]));
    *scaled = static_cast<scalar_t>(static_cast<float>(*scaled) / factor);
  }
}

template <typename scalar_t>
void axpy(const scalar_t* x, scalar_t* y, float alpha, bool negate, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((n + 255) / 256, 4096));
  axpy_kernel<scalar_t><<<blocks, 256, 0, stream>>>(x, y, negate ? -alpha : alpha, n);
}
