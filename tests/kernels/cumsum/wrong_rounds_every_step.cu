// fails: correct
// continues from the rounded element before it, so float16 loses a little each time
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void running_sums(T* out, const T* x, int64_t rows, int64_t cols) {
  int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  T sum = static_cast<T>(0.0f);
  for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
    sum = static_cast<T>(static_cast<float>(sum) + static_cast<float>(x[i]));
    out[i] = static_cast<T>(sum);
  }
}

template <typename scalar_t>
void cumsum(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  running_sums<<<static_cast<unsigned>((rows + 31) / 32), 32, 0, stream>>>(out, x, rows, cols);
}
