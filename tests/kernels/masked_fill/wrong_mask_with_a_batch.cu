// fails: memory
// reads the mask as if it had a batch dimension
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename scalar_t>
__global__ void masked_fill_kernel(scalar_t* out, const scalar_t* x, const bool* mask, scalar_t value, int64_t total,
                                   int64_t plane) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    out[i] = mask[i] ? value : x[i];
  }
}

template <typename scalar_t>
void masked_fill(scalar_t* out, const scalar_t* x, const bool* mask, float value, int64_t batch, int64_t rows,
                 int64_t cols, cudaStream_t stream) {
  const int64_t plane = rows * cols, total = batch * plane;
  if (total == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((total + 255) / 256, 4096));
  masked_fill_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, mask, static_cast<scalar_t>(value), total, plane);
}
