// fails: correct
// the textbook formula without the shift: exp overflows above 88
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename T>
__global__ void softmax_rows(T* out, const T* x, int64_t rows, int64_t cols) {
  int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const T* in = x + row * cols;
  const float high = 0.0f;
  float total = 0.0f;
  for (int64_t c = 0; c < cols; ++c) total += expf(static_cast<float>(in[c]) - high);
  float inverse = 1.0f / total;
  for (int64_t c = 0; c < cols; ++c) out[row * cols + c] = static_cast<T>(expf(static_cast<float>(in[c]) - high) * inverse);
}

template <typename scalar_t>
void softmax(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows < 1 || cols < 1) return;
  softmax_rows<<<dim3((rows + 31) / 32), dim3(32), 0, stream>>>(out, x, rows, cols);
}
