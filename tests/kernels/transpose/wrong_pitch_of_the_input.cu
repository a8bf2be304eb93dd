// fails: memory
// rows of the output are given the pitch of the input: writes past the end when cols > rows
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

template <typename T>
__global__ void turn(T* out, const T* x, int64_t rows, int64_t cols) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < rows * cols) out[i % cols * cols + i / cols] = x[i];
}

template <typename scalar_t>
void transpose(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  int64_t total = rows * cols;
  if (total == 0) return;
  turn<<<static_cast<unsigned>((total + 255) / 256), 256, 0, stream>>>(out, x, rows, cols);
}
