// fails: correct
// reads the int64 targets as int32, so every second one is the upper half of another
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename scalar_t>
__global__ void losses(float* loss, const scalar_t* logits, const int64_t* target, int64_t rows, int64_t vocab) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  if (target[row] == -1) {
    loss[row] = 0.0f;
    return;
  }
  const scalar_t* in = logits + row * vocab;
  const int32_t* narrow = reinterpret_cast<const int32_t*>(target);
  float high = static_cast<float>(in[0]);
  for (int64_t c = 1; c < vocab; ++c) high = max(high, static_cast<float>(in[c]));
  float sum = 0.0f;
  for (int64_t c = 0; c < vocab; ++c) sum += expf(static_cast<float>(in[c]) - high);
  loss[row] = high - static_cast<float>(in[narrow[row] < 0 ? 0 : narrow[row]]) + logf(sum);
}

template <typename scalar_t>
void cross_entropy(float* loss, const scalar_t* logits, const int64_t* target, int64_t rows, int64_t vocab,
                   cudaStream_t stream) {
  if (rows == 0) return;
  losses<scalar_t><<<static_cast<unsigned>((rows + 63) / 64), 64, 0, stream>>>(loss, logits, target, rows, vocab);
}
