// fails: correct
// whole 16-byte vectors only; the elements after the last whole one are forgotten
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// 16 bytes at a time while a whole vector is left, then the tail one by one. The bases are aligned to 16 bytes.
template <typename scalar_t>
struct alignas(16) Pack {
  scalar_t item[16 / sizeof(scalar_t)];
};

template <typename scalar_t>
__global__ void add_packs(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n) {
  using Vec = Pack<scalar_t>;
  constexpr int kWidth = 16 / sizeof(scalar_t);
  const int64_t packs = n / kWidth;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t p = first; p < packs; p += step) {
    const Vec a = reinterpret_cast<const Vec*>(x)[p];
    const Vec b = reinterpret_cast<const Vec*>(y)[p];
    Vec c;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      c.item[k] = static_cast<scalar_t>(static_cast<float>(a.item[k]) + static_cast<float>(b.item[k]));
    }
    reinterpret_cast<Vec*>(out)[p] = c;
  }
}

template <typename scalar_t>
void vector_add(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  const int64_t packs = n * static_cast<int64_t>(sizeof(scalar_t)) / 16 + 1;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((packs + 127) / 128, 2048));
  add_packs<scalar_t><<<blocks, 128, 0, stream>>>(out, x, y, n);
}
