#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// A thread walks one channel of one sequence and keeps the last taps - 1 inputs in a ring.
template <typename scalar_t>
__global__ void conv_walk(scalar_t* out, const scalar_t* x, const scalar_t* weight, const scalar_t* bias,
                          int64_t lines, int64_t channels, int64_t length, int taps) {
  const int64_t line = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (line >= lines) return;
  const int64_t c = line % channels;
  float ring[8] = {};  // taps is at most 7
  for (int64_t t = 0; t < length; ++t) {
    ring[t % taps] = static_cast<float>(x[line * length + t]);
    float sum = 0.0f;
    for (int k = 0; k < taps; ++k) sum += static_cast<float>(weight[c * taps + k]) * ring[(t + 1 + k) % taps];
    out[line * length + t] = static_cast<scalar_t>(sum + static_cast<float>(bias[c]));
  }
}

template <typename scalar_t>
void depthwise_conv1d(scalar_t* out, const scalar_t* x, const scalar_t* weight, const scalar_t* bias, int64_t batch,
                      int64_t channels, int64_t length, int64_t taps, cudaStream_t stream) {
  const int64_t lines = batch * channels;
  if (lines == 0 || length == 0) return;
  conv_walk<scalar_t><<<static_cast<unsigned>((lines + 31) / 32), 32, 0, stream>>>(out, x, weight, bias, lines, channels, length, static_cast<int>(taps));
}
