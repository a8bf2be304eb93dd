#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// Value and column become one 64-bit key whose unsigned order is the order asked for; a block reduces keys in shared memory.
__device__ unsigned long long key_of(float value, int64_t column) {
  if (value == 0.0f) value = 0.0f;  // -0.0 and 0.0 are one value
  unsigned bits = __float_as_uint(value);
  bits = isnan(value) ? 0xffffffffu : (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<unsigned long long>(bits) << 32 | (0xffffffffu - static_cast<unsigned>(column));
}

template <typename scalar_t>
__global__ void argmax_keys(int64_t* index, const scalar_t* x, int64_t cols) {
  __shared__ unsigned long long keys[64];
  const scalar_t* in = x + blockIdx.x * cols;
  unsigned long long best = 0;
  for (int64_t c = threadIdx.x; c < cols; c += 64) best = max(best, key_of(static_cast<float>(in[c]), c));
  keys[threadIdx.x] = best;
  __syncthreads();
  for (int half = 32; half > 0; half /= 2) {
    if (static_cast<int>(threadIdx.x) < half) keys[threadIdx.x] = max(keys[threadIdx.x], keys[threadIdx.x + half]);
    __syncthreads();
  }
  if (threadIdx.x == 0) index[blockIdx.x] = static_cast<int64_t>(0xffffffffu - static_cast<unsigned>(keys[0] & 0xffffffffu));
}

template <typename scalar_t>
void argmax(int64_t* index, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  argmax_keys<scalar_t><<<static_cast<unsigned>(rows), 64, 0, stream>>>(index, x, cols);
}
