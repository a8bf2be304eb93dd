#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// blockIdx.y is the head, blockIdx.x the token; the threads of a block run along one vector.
template <typename T>
__global__ void rotate(T* __restrict__ out, const T* __restrict__ x, const T* __restrict__ cos, const T* __restrict__ sin,
                       int64_t half_dim) {
  int64_t token = blockIdx.x, head = blockIdx.y, heads = gridDim.y;
  const T* in = x + (token * heads + head) * 2 * half_dim;
  T* to = out + (token * heads + head) * 2 * half_dim;
  for (int64_t d = threadIdx.x; d < half_dim; d += blockDim.x) {
    float c = float(cos[token * half_dim + d]), s = float(sin[token * half_dim + d]);
    float a = float(in[d]), b = float(in[half_dim + d]);
    to[d] = T(fmaf(a, c, -(b * s)));
    to[half_dim + d] = T(fmaf(b, c, a * s));
  }
}

template <typename scalar_t>
void rotary(scalar_t* out, const scalar_t* x, const scalar_t* cos, const scalar_t* sin, int64_t tokens, int64_t heads,
            int64_t half_dim, cudaStream_t stream) {
  if (tokens == 0 || heads == 0 || half_dim == 0) return;
  rotate<<<dim3(tokens, heads), 32, 0, stream>>>(out, x, cos, sin, half_dim);
}
