#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename scalar_t>
__global__ void argmax_rows(int64_t* index, const scalar_t* x, int64_t rows, int64_t cols) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  int64_t at = 0;
  float best = static_cast<float>(x[row * cols]);
  for (int64_t c = 1; c < cols && !isnan(best); ++c) {
    const float value = static_cast<float>(x[row * cols + c]);
    if (value > best || isnan(value)) {
      best = value;
      at = c;
    }
  }
  index[row] = at;
}

template <typename scalar_t>
void argmax(int64_t* index, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0) return;
  argmax_rows<scalar_t><<<static_cast<unsigned>((rows + 127) / 128), 128, 0, stream>>>(index, x, rows, cols);
}
