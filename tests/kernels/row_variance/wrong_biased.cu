// fails: correct
// divides by cols
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// A warp per row, two passes: the mean first, then the squares of the distances from it.
__device__ float warp_sum(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

__global__ void row_variance_kernel(float* out, const float* x, int64_t rows, int64_t cols) {
  const int lane = threadIdx.x % 32;
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (blockDim.x / 32);
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; row < rows; row += warps) {
    const float* in = x + row * cols;
    // Sums of distances from the first element stay small where the whole row is far from zero.
    const float origin = in[0];
    float sum = 0.0f;
    for (int64_t c = lane; c < cols; c += 32) sum += in[c] - origin;
    const float mean = warp_sum(sum) / static_cast<float>(cols);
    float squares = 0.0f;
    for (int64_t c = lane; c < cols; c += 32) {
      const float centred = in[c] - origin - mean;
      squares += centred * centred;
    }
    squares = warp_sum(squares);
    if (lane == 0) out[row] = squares / static_cast<float>(cols);
  }
}

void row_variance(float* out, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((rows + 3) / 4, 65535));
  row_variance_kernel<<<blocks, 128, 0, stream>>>(out, x, rows, cols);
}
