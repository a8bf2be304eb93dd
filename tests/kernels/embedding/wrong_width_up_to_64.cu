// fails: correct
// one thread per column in blocks of 64: later columns are not written
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void gather_rows(T* out, const T* weight, const int64_t* indices, int64_t width) {
  const T* from = weight + indices[blockIdx.x] * width;
  T* to = out + blockIdx.x * width;
  const int c = threadIdx.x;
  if (c < width) to[c] = from[c];
}

template <typename scalar_t>
void embedding(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t vocab, int64_t width, int64_t n,
               cudaStream_t stream) {
  if (n == 0 || width == 0) return;
  gather_rows<<<n, 64, 0, stream>>>(out, weight, indices, width);
}
