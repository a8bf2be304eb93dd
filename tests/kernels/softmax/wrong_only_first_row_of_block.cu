// fails: correct
// a fixed grid of 16 blocks and no loop over the rows: row 16 and later stay unwritten
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

struct Sum {
  static constexpr float kNeutral = 0.0f;
  __device__ static float join(float a, float b) { return a + b; }
};
struct Max {
  static constexpr float kNeutral = -3.402823466e+38f;
  __device__ static float join(float a, float b) { return fmaxf(a, b); }
};

// The reduction over the block, in every thread. blockDim.x is a multiple of 32; all threads must take part.
template <typename Op>
__device__ float block_reduce(float value, float* shared) {
  for (int offset = 16; offset > 0; offset /= 2) value = Op::join(value, __shfl_xor_sync(0xffffffffu, value, offset));
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  value = lane < warps ? shared[lane] : Op::kNeutral;
  for (int offset = 16; offset > 0; offset /= 2) value = Op::join(value, __shfl_xor_sync(0xffffffffu, value, offset));
  __syncthreads();  // shared may be used again after this
  return value;
}

template <typename scalar_t>
__global__ void softmax_kernel(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols) {
  __shared__ float shared[32];
  const int64_t row = blockIdx.x;
  {
    const scalar_t* in = x + row * cols;
    float high = Max::kNeutral;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) high = fmaxf(high, static_cast<float>(in[c]));
    high = block_reduce<Max>(high, shared);
    float sum = 0.0f;
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) sum += expf(static_cast<float>(in[c]) - high);
    sum = block_reduce<Sum>(sum, shared);
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
      out[row * cols + c] = static_cast<scalar_t>(expf(static_cast<float>(in[c]) - high) / sum);
    }
  }
}

template <typename scalar_t>
void softmax(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>(rows, 16));
  softmax_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, rows, cols);
}
