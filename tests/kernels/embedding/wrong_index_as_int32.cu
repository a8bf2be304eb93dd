// fails: correct
// reads the int64 indices as int32: every second one is zero
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void gather_rows(T* out, const T* weight, const int64_t* indices, int64_t width) {
  const T* from = weight + reinterpret_cast<const int32_t*>(indices)[blockIdx.x] * width;
  T* to = out + blockIdx.x * width;
  for (int c = threadIdx.x; c < width; c += blockDim.x) to[c] = from[c];
}

template <typename scalar_t>
void embedding(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t vocab, int64_t width, int64_t n,
               cudaStream_t stream) {
  if (n == 0 || width == 0) return;
  gather_rows<<<n, 64, 0, stream>>>(out, weight, indices, width);
}
