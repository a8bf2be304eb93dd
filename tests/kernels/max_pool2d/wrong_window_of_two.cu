// fails: correct
// leaves out the row and the column before the centre
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

template <typename scalar_t>
__global__ void max_pool_kernel(scalar_t* out, const scalar_t* x, int64_t total, int64_t height, int64_t width) {
  const int64_t out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; index < total; index += step) {
    const int64_t j = index % out_width, i = index / out_width % out_height, plane = index / (out_width * out_height);
    const scalar_t* in = x + plane * height * width;
    float best = -INFINITY;
    for (int64_t r = 2 * i; r <= min(2 * i + 1, height - 1); ++r) {
      for (int64_t c = 2 * j; c <= min(2 * j + 1, width - 1); ++c) {
        best = fmaxf(best, static_cast<float>(in[r * width + c]));
      }
    }
    out[index] = static_cast<scalar_t>(best);
  }
}

template <typename scalar_t>
void max_pool2d(scalar_t* out, const scalar_t* x, int64_t planes, int64_t height, int64_t width, cudaStream_t stream) {
  const int64_t total = planes * ((height + 1) / 2) * ((width + 1) / 2);
  if (total == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((total + 255) / 256, 4096));
  max_pool_kernel<scalar_t><<<blocks, 256, 0, stream>>>(out, x, total, height, width);
}
