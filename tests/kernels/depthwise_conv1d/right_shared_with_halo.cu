#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// A block loads a stretch of 64 times and the taps - 1 before it into shared memory.
template <typename T>
__global__ void conv_tile(T* out, const T* x, const T* weight, const T* bias, int64_t channels, int64_t length, int taps) {
  extern __shared__ float cache[];  // 64 + taps - 1 inputs
  const int64_t line = blockIdx.y, c = line % channels, start = static_cast<int64_t>(blockIdx.x) * 64;
  for (int i = threadIdx.x; i < 64 + taps - 1; i += blockDim.x) {
    const int64_t t = start + i - (taps - 1);
    cache[i] = t >= 0 && t < length ? static_cast<float>(x[line * length + t]) : 0.0f;
  }
  __syncthreads();
  const int64_t t = start + threadIdx.x;
  if (t >= length) return;
  float sum = static_cast<float>(bias[c]);
  for (int k = 0; k < taps; ++k) sum = fmaf(static_cast<float>(weight[c * taps + k]), cache[threadIdx.x + k], sum);
  out[line * length + t] = static_cast<T>(sum);
}

template <typename scalar_t>
void depthwise_conv1d(scalar_t* out, const scalar_t* x, const scalar_t* weight, const scalar_t* bias, int64_t batch,
                      int64_t channels, int64_t length, int64_t taps, cudaStream_t stream) {
  if (batch == 0 || channels == 0 || length == 0) return;
  const dim3 grid(static_cast<unsigned>((length + 63) / 64), static_cast<unsigned>(batch * channels));
  const size_t bytes = (64 + taps - 1) * sizeof(float);
  conv_tile<scalar_t><<<grid, 64, bytes, stream>>>(out, x, weight, bias, channels, length, static_cast<int>(taps));
}
