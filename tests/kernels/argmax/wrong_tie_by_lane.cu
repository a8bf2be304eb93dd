// fails: correct
// lanes compare values only, so a tie goes to the lower lane instead of the lower column
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include <climits>

// Does (value, index) come before (best, best_index)? NaN first, then the larger value, then the lower column.
// This is a total order, so the result does not depend on the order of the comparisons.
__device__ bool beats(float value, long long index, float best, long long best_index) {
  const bool value_nan = value != value, best_nan = best != best;
  if (value_nan != best_nan) return value_nan;
  if (!value_nan && value != best) return value > best;
  return false;
}

template <typename scalar_t>
__global__ void argmax_kernel(int64_t* index, const scalar_t* x, int64_t rows, int64_t cols) {
  // A warp per row: lanes take every 32nd column, then the warp agrees.
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (blockDim.x / 32);
  const int lane = threadIdx.x % 32;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; row < rows; row += warps) {
    float best = 0.0f;
    long long at = LLONG_MAX;  // no column yet
    for (int64_t c = lane; c < cols; c += 32) {
      const float value = static_cast<float>(x[row * cols + c]);
      if (at == LLONG_MAX || beats(value, c, best, at)) {
        best = value;
        at = c;
      }
    }
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, best, offset);
      const long long other_at = __shfl_xor_sync(0xffffffffu, at, offset);
      if (other_at != LLONG_MAX && (at == LLONG_MAX || beats(other, other_at, best, at))) {
        best = other;
        at = other_at;
      }
    }
    if (lane == 0) index[row] = at;
  }
}

template <typename scalar_t>
void argmax(int64_t* index, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((rows + 3) / 4, 65535));
  argmax_kernel<scalar_t><<<blocks, 128, 0, stream>>>(index, x, rows, cols);
}
