// fails: correct
// leaves the element itself out of its sum
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void running_sums(T* out, const T* x, int64_t rows, int64_t cols) {
  int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float sum = 0;
  for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
    out[i] = static_cast<T>(sum);
    sum += static_cast<float>(x[i]);
  }
}

template <typename scalar_t>
void cumsum(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  running_sums<<<static_cast<unsigned>((rows + 31) / 32), 32, 0, stream>>>(out, x, rows, cols);
}
