#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// Each output element alone: the sign and the partner depend on which half it lies in.
template <typename scalar_t>
__global__ void rotary_elements(scalar_t* out, const scalar_t* x, const scalar_t* cos, const scalar_t* sin,
                                int64_t total, int64_t heads, int64_t half_dim) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const int64_t width = 2 * half_dim, e = i % width, token = i / (width * heads);
  const bool upper = e >= half_dim;
  const int64_t d = upper ? e - half_dim : e;
  const float own = static_cast<float>(x[i]);
  const float partner = static_cast<float>(x[upper ? i - half_dim : i + half_dim]);
  const float turn = partner * static_cast<float>(sin[token * half_dim + d]);
  const float kept = own * static_cast<float>(cos[token * half_dim + d]);
  out[i] = static_cast<scalar_t>(upper ? kept + turn : kept - turn);
}

template <typename scalar_t>
void rotary(scalar_t* out, const scalar_t* x, const scalar_t* cos, const scalar_t* sin, int64_t tokens, int64_t heads,
            int64_t half_dim, cudaStream_t stream) {
  const int64_t total = tokens * heads * 2 * half_dim;
  if (total == 0) return;
  rotary_elements<scalar_t><<<static_cast<unsigned>((total + 127) / 128), 128, 0, stream>>>(out, x, cos, sin, total, heads, half_dim);
}
