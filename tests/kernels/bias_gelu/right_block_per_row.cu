#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename T>
__global__ void gelu_rows(T* out, const T* x, const T* bias, int64_t rows, int64_t cols) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      float v = static_cast<float>(x[row * cols + c]) + static_cast<float>(bias[c]);
      out[row * cols + c] = static_cast<T>(v * normcdff(v));
    }
  }
}

template <typename scalar_t>
void bias_gelu(scalar_t* out, const scalar_t* x, const scalar_t* bias, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  gelu_rows<<<static_cast<unsigned>(std::min<int64_t>(rows, 128)), 64, 0, stream>>>(out, x, bias, rows, cols);
}
