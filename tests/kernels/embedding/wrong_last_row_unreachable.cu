// fails: correct
// clamps the index to vocab - 2, off by one
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// One thread per output element. A row begins anywhere, so wider loads would need a check of its alignment.
template <typename scalar_t>
__global__ void embedding_kernel(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t total,
                                 int64_t width, int64_t last) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    out[i] = weight[(indices[i / width] > last ? last : indices[i / width]) * width + i % width];
  }
}

template <typename scalar_t>
void embedding(scalar_t* out, const scalar_t* weight, const int64_t* indices, int64_t vocab, int64_t width, int64_t n,
               cudaStream_t stream) {
  const int64_t total = n * width;
  if (total == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((total + 255) / 256, 4096));
  embedding_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, weight, indices, total, width, vocab > 1 ? vocab - 2 : 0);
}
