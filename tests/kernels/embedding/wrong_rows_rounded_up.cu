// fails: memory
// four rows per block without a check: indices and rows past the end are touched
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void gather_rows(T* out, const T* weight, const int64_t* indices, int64_t width) {
  const int64_t row = blockIdx.x * 4 + threadIdx.x / 16;
  const T* from = weight + indices[row] * width;
  T* to = out + row * width;
  for (int c = threadIdx.x % 16; c < width; c += 16) to[c] = from[c];
}

template <typename scalar_t>
void embedding(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t vocab, int64_t width, int64_t n,
               cudaStream_t stream) {
  if (n == 0 || width == 0) return;
  gather_rows<<<(n + 3) / 4, 64, 0, stream>>>(out, weight, indices, width);
}
