#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void fill(T* out, const T* x, const bool* mask, float value, int rows, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y * blockDim.y + threadIdx.y;
  if (r >= rows || c >= cols) return;
  int64_t at = static_cast<int64_t>(r) * cols + c;
  int64_t offset = static_cast<int64_t>(blockIdx.z) * rows * cols;
  if (mask[at]) {
    out[offset + at] = static_cast<T>(value);
  } else {
    out[offset + at] = x[offset + at];
  }
}

template <typename scalar_t>
void masked_fill(scalar_t* out, const scalar_t* x, const bool* mask, float value, int64_t batch, int64_t rows,
                 int64_t cols, cudaStream_t stream) {
  if (batch == 0 || rows == 0 || cols == 0) return;
  dim3 block(16, 8);
  dim3 grid((cols + 15) / 16, (rows + 7) / 8, batch);
  fill<<<grid, block, 0, stream>>>(out, x, mask, value, static_cast<int>(rows), static_cast<int>(cols));
}
