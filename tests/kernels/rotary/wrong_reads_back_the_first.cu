// fails: correct
// uses the element it has just written as if it were the input
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// One thread per pair: it reads both elements before it writes either.
template <typename scalar_t>
__global__ void rotary_kernel(scalar_t* out, const scalar_t* x, const scalar_t* cos, const scalar_t* sin,
                              int64_t pairs, int64_t heads, int64_t half_dim) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < pairs; i += step) {
    const int64_t d = i % half_dim;
    const int64_t vector = i / half_dim;  // token * heads + head
    const int64_t token = vector / heads;
    const int64_t low = vector * 2 * half_dim + d, high = low + half_dim;
    const float a = static_cast<float>(x[low]), b = static_cast<float>(x[high]);
    const float c = static_cast<float>(cos[token * half_dim + d]), s = static_cast<float>(sin[token * half_dim + d]);
    out[low] = static_cast<scalar_t>(a * c - b * s);
    out[high] = static_cast<scalar_t>(b * c + static_cast<float>(out[low]) * s);
  }
}

template <typename scalar_t>
void rotary(scalar_t* out, const scalar_t* x, const scalar_t* cos, const scalar_t* sin, int64_t tokens, int64_t heads,
            int64_t half_dim, cudaStream_t stream) {
  const int64_t pairs = tokens * heads * half_dim;
  if (pairs == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((pairs + 255) / 256, 4096));
  rotary_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, cos, sin, pairs, heads, half_dim);
}
