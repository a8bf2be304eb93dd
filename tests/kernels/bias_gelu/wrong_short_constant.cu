// fails: correct
// one over the root of two with four digits
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename scalar_t>
__global__ void bias_gelu_kernel(scalar_t* out, const scalar_t* x, const scalar_t* bias, int64_t total, int64_t cols) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    const float v = static_cast<float>(x[i]) + static_cast<float>(bias[i % cols]);
    out[i] = static_cast<scalar_t>(0.5f * v * erfcf(-v * 0.7071f));
  }
}

template <typename scalar_t>
void bias_gelu(scalar_t* out, const scalar_t* x, const scalar_t* bias, int64_t rows, int64_t cols, cudaStream_t stream) {
  const int64_t total = rows * cols;
  if (total == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((total + 255) / 256, 4096));
  bias_gelu_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, bias, total, cols);
}
