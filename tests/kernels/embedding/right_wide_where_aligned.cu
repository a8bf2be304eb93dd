#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// Rows whose width is a multiple of 16 bytes all begin aligned, since the bases do: those are copied as int4.
template <typename Word>
__global__ void gather_words(Word* out, const Word* weight, const int64_t* indices, int64_t n, int64_t words) {
  for (int64_t row = blockIdx.y; row < n; row += gridDim.y) {
    const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (c < words) out[row * words + c] = weight[indices[row] * words + c];
  }
}

template <typename scalar_t>
void embedding(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t vocab, int64_t width, int64_t n,
               cudaStream_t stream) {
  if (n == 0 || width == 0 || vocab == 0) return;
  const int64_t bytes = width * static_cast<int64_t>(sizeof(scalar_t));
  const unsigned rows = static_cast<unsigned>(std::min<int64_t>(n, 65535));
  if (bytes % 16 == 0) {
    const int64_t words = bytes / 16;
    gather_words<<<dim3(static_cast<unsigned>((words + 63) / 64), rows), 64, 0, stream>>>(
        reinterpret_cast<int4*>(out), reinterpret_cast<const int4*>(weight), indices, n, words);
  } else {
    gather_words<<<dim3(static_cast<unsigned>((width + 63) / 64), rows), 64, 0, stream>>>(out, weight, indices, n, width);
  }
}
