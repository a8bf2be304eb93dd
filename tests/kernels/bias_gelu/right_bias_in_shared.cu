#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <cooperative_groups.h>

namespace cg = cooperative_groups;

// A block takes 64 columns, keeps their bias in shared memory and walks down the rows.
template <typename scalar_t>
__global__ void gelu_columns(scalar_t* out, const scalar_t* x, const scalar_t* bias, int64_t rows, int64_t cols) {
  __shared__ float part[64];
  const cg::thread_block block = cg::this_thread_block();
  const int64_t first = static_cast<int64_t>(blockIdx.x) * 64;
  const int64_t width = cols - first < 64 ? cols - first : 64;
  if (threadIdx.x < width) part[threadIdx.x] = static_cast<float>(bias[first + threadIdx.x]);
  block.sync();
  const int64_t c = threadIdx.x % 64;
  if (c >= width) return;  // no barrier follows
  for (int64_t row = threadIdx.x / 64; row < rows; row += blockDim.x / 64) {
    const int64_t at = row * cols + first + c;
    const float v = static_cast<float>(x[at]) + part[c];
    const float z = v * 0.70710678f;
    const float twice = z > -1.0f ? 1.0f + erff(z) : erfcf(-z);
    out[at] = static_cast<scalar_t>(v * 0.5f * twice);
  }
}

template <typename scalar_t>
void bias_gelu(scalar_t* out, const scalar_t* x, const scalar_t* bias, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows <= 0 || cols <= 0) return;
  gelu_columns<scalar_t><<<static_cast<unsigned>((cols + 63) / 64), 128, 0, stream>>>(out, x, bias, rows, cols);
}
