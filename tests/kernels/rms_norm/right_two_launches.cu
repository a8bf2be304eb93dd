#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// The row scales go to scratch memory of the stream; a second kernel, parallel over all elements, applies them.
template <typename scalar_t>
__global__ void row_scales(float* scales, const scalar_t* x, float eps, int64_t rows, int64_t cols) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= rows) return;  // a whole warp leaves together
  float sum = 0.0f;
  for (int64_t c = lane; c < cols; c += 32) {
    const float value = static_cast<float>(x[row * cols + c]);
    sum = fmaf(value, value, sum);
  }
  for (int delta = 16; delta > 0; delta >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, delta);
  if (lane == 0) scales[row] = 1.0f / sqrtf(sum / static_cast<float>(cols) + eps);
}

template <typename scalar_t>
__global__ void apply_scales(scalar_t* out, const scalar_t* x, const scalar_t* weight, const float* scales,
                             int64_t total, int64_t cols) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const float scaled = static_cast<float>(x[i]) * scales[i / cols];
  out[i] = static_cast<scalar_t>(scaled * static_cast<float>(weight[i % cols]));
}

template <typename scalar_t>
void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight, float eps, int64_t rows, int64_t cols,
              cudaStream_t stream) {
  const int64_t total = rows * cols;
  if (total == 0) return;
  float* scales = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&scales), rows * sizeof(float), stream);
  row_scales<scalar_t><<<static_cast<unsigned>((rows + 3) / 4), 128, 0, stream>>>(scales, x, eps, rows, cols);
  apply_scales<scalar_t><<<static_cast<unsigned>((total + 255) / 256), 256, 0, stream>>>(out, x, weight, scales, total, cols);
  cudaFreeAsync(scales, stream);
}
