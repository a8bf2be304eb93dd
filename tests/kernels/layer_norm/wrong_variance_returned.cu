// fails: correct
// stores the variance where its inverse square root is asked for
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

// Two passes for the statistics: the variance of values about their mean loses nothing to cancellation.
template <typename scalar_t>
__global__ void layer_norm_kernel(scalar_t* out, float* mean, float* rstd, const scalar_t* x, const scalar_t* weight,
                                  const scalar_t* bias, float eps, int64_t rows, int64_t cols) {
  __shared__ float shared[32];
  const float count = static_cast<float>(cols);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const scalar_t* in = x + row * cols;
    float sum = 0.0f;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) sum += static_cast<float>(in[c]);
    const float mu = block_sum(sum, shared) / count;
    float squares = 0.0f;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      const float centred = static_cast<float>(in[c]) - mu;
      squares += centred * centred;
    }
    const float variance = block_sum(squares, shared) / count;
    const float scale = rsqrtf(variance + eps);
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      const float normed = (static_cast<float>(in[c]) - mu) * scale;
      const float result = normed * static_cast<float>(weight[c]) + static_cast<float>(bias[c]);
      out[row * cols + c] = static_cast<scalar_t>(result);
    }
    if (threadIdx.x == 0) {
      mean[row] = mu;
      rstd[row] = variance;
    }
  }
}

template <typename scalar_t>
void layer_norm(scalar_t* out, float* mean, float* rstd, const scalar_t* x, const scalar_t* weight,
                const scalar_t* bias, float eps, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>(rows, 65535));
  layer_norm_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, mean, rstd, x, weight, bias, eps, rows, cols);
}
