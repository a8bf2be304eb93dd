#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Stage one: 8 threads per row each leave a (maximum, sum) pair in scratch memory. Stage two joins the pairs.
constexpr int kParts = 8;

template <typename scalar_t>
__global__ void partial(float2* pairs, const scalar_t* x, int64_t rows, int64_t cols) {
  const int64_t id = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t row = id / kParts;
  if (row >= rows) return;
  float high = -INFINITY, sum = 0.0f;
  for (int64_t c = id % kParts; c < cols; c += kParts) {
    const float value = static_cast<float>(x[row * cols + c]);
    if (value == -INFINITY) continue;
    if (value > high) {
      sum = sum * expf(high - value) + 1.0f;
      high = value;
    } else {
      sum += expf(value - high);
    }
  }
  pairs[id] = make_float2(high, sum);
}

template <typename scalar_t>
__global__ void join(scalar_t* out, const float2* pairs, int64_t rows) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float high = -INFINITY, sum = 0.0f;
  for (int p = 0; p < kParts; ++p) high = fmaxf(high, pairs[row * kParts + p].x);
  for (int p = 0; p < kParts; ++p) {
    const float2 pair = pairs[row * kParts + p];
    if (pair.y > 0.0f) sum += pair.y * expf(pair.x - high);
  }
  out[row] = static_cast<scalar_t>(sum > 0.0f ? high + logf(sum) : -INFINITY);
}

template <typename scalar_t>
void logsumexp(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0) return;
  float2* pairs = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&pairs), rows * kParts * sizeof(float2), stream);
  partial<scalar_t><<<static_cast<unsigned>((rows * kParts + 127) / 128), 128, 0, stream>>>(pairs, x, rows, cols);
  join<scalar_t><<<static_cast<unsigned>((rows + 127) / 128), 128, 0, stream>>>(out, pairs, rows);
  cudaFreeAsync(pairs, stream);
}
