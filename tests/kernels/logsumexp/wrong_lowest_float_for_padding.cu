// fails: correct
// starts from -1e30, which becomes the answer for a row of -inf
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename scalar_t>
__global__ void rows_in_turn(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float high = -1e30f;
  for (int64_t c = 0; c < cols; ++c) high = fmaxf(high, static_cast<float>(x[row * cols + c]));
  if (high == -1e30f) {
    out[row] = static_cast<scalar_t>(high);
    return;
  }
  float sum = 0.0f;
  for (int64_t c = 0; c < cols; ++c) sum += expf(static_cast<float>(x[row * cols + c]) - high);
  out[row] = static_cast<scalar_t>(high + logf(sum));
}

template <typename scalar_t>
void logsumexp(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  rows_in_turn<scalar_t><<<static_cast<unsigned>((rows + 31) / 32), 32, 0, stream>>>(out, x, rows, cols);
}
