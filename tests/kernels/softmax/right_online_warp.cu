#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <cooperative_groups.h>

namespace cg = cooperative_groups;

// A warp per row and one pass for both statistics: a running maximum, and the sum rescaled whenever it moves.
template <typename scalar_t>
__global__ void online_softmax(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols) {
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = static_cast<int>(warp.thread_rank());
  float high = -INFINITY, sum = 0.0f;
  for (int64_t c = lane; c < cols; c += 32) {
    const float value = static_cast<float>(x[row * cols + c]);
    if (value > high) {
      sum = sum * expf(high - value) + 1.0f;
      high = value;
    } else {
      sum += expf(value - high);
    }
  }
  float top = high;
  for (int delta = 16; delta > 0; delta /= 2) top = fmaxf(top, warp.shfl_xor(top, delta));
  sum *= high == -INFINITY ? 0.0f : expf(high - top);  // lanes without a column have sum 0
  for (int delta = 16; delta > 0; delta /= 2) sum += warp.shfl_xor(sum, delta);
  for (int64_t c = lane; c < cols; c += 32) {
    out[row * cols + c] = static_cast<scalar_t>(expf(static_cast<float>(x[row * cols + c]) - top) / sum);
  }
}

template <typename scalar_t>
void softmax(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  online_softmax<scalar_t><<<static_cast<unsigned>((rows + 3) / 4), 128, 0, stream>>>(out, x, rows, cols);
}
