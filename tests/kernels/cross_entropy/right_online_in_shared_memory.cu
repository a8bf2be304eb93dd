#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// Each thread keeps a running (maximum, sum) pair; the pairs are merged by a tree in shared memory.
struct Pair {
  float high, sum;
};

__device__ Pair merge(Pair a, Pair b) {
  if (a.high < b.high) {
    const Pair swap = a;
    a = b;
    b = swap;
  }
  if (b.sum > 0.0f) a.sum += b.sum * expf(b.high - a.high);
  return a;
}

template <typename scalar_t>
__global__ void online_cross_entropy(float* loss, const scalar_t* logits, const int64_t* target, int64_t vocab) {
  __shared__ Pair pairs[128];
  const scalar_t* in = logits + static_cast<int64_t>(blockIdx.x) * vocab;
  Pair mine{-INFINITY, 0.0f};
  for (int64_t c = threadIdx.x; c < vocab; c += 128) mine = merge(mine, Pair{static_cast<float>(in[c]), 1.0f});
  pairs[threadIdx.x] = mine;
  for (unsigned half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) pairs[threadIdx.x] = merge(pairs[threadIdx.x], pairs[threadIdx.x + half]);
  }
  if (threadIdx.x != 0) return;
  const int64_t t = target[blockIdx.x];
  loss[blockIdx.x] = t == -1 ? 0.0f : pairs[0].high + logf(pairs[0].sum) - static_cast<float>(in[t]);
}

template <typename scalar_t>
void cross_entropy(float* loss, const scalar_t* logits, const int64_t* target, int64_t rows, int64_t vocab,
                   cudaStream_t stream) {
  if (rows == 0 || vocab == 0) return;
  online_cross_entropy<scalar_t><<<static_cast<unsigned>(rows), 128, 0, stream>>>(loss, logits, target, vocab);
}
