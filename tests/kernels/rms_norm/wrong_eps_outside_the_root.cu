// fails: correct
// eps is added to the root instead of under it
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// The sum over the block, in every thread. blockDim.x is a multiple of 32; all threads must take part.
__device__ float block_sum(float value, float* shared) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  value = lane < warps ? shared[lane] : 0.0f;
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  __syncthreads();  // shared may be used again after this
  return value;
}

// One block per row; rows beyond the grid are reached by the outer loop.
template <typename scalar_t>
__global__ void rms_norm_kernel(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t rows,
                                int64_t cols) {
  __shared__ float shared[32];
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const scalar_t* in = x + row * cols;
    float sum = 0.0f;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      const float value = static_cast<float>(in[c]);
      sum += value * value;
    }
    sum = block_sum(sum, shared);
    const float scale = 1.0f / (sqrtf(sum / static_cast<float>(cols)) + eps);
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      out[row * cols + c] = static_cast<scalar_t>(static_cast<float>(in[c]) * scale * static_cast<float>(weight[c]));
    }
  }
}

template <typename scalar_t>
void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t rows, int64_t cols,
              cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>(rows, 65535));
  rms_norm_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, weight, eps, rows, cols);
}
