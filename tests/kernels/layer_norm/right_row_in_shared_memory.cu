#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

// The row is read once, into dynamic shared memory as floats, and reduced with a tree over the block.
__device__ float tree_sum(float value, float* tree) {
  tree[threadIdx.x] = value;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) tree[threadIdx.x] += tree[threadIdx.x + half];
    __syncthreads();
  }
  const float total = tree[0];
  __syncthreads();
  return total;
}

template <typename scalar_t>
__global__ void layer_norm_shared(scalar_t* out, float* mean, float* rstd, const scalar_t* x, const scalar_t* weight,
                                  const scalar_t* bias, float eps, int64_t cols) {
  extern __shared__ float memory[];
  float* tree = memory;               // blockDim.x floats
  float* row = memory + blockDim.x;   // cols floats
  const int64_t start = static_cast<int64_t>(blockIdx.x) * cols;
  float sum = 0.0f;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    row[c] = static_cast<float>(x[start + c]);
    sum += row[c];
  }
  const float mu = tree_sum(sum, tree) / static_cast<float>(cols);
  float squares = 0.0f;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) squares += (row[c] - mu) * (row[c] - mu);
  const float scale = 1.0f / sqrtf(tree_sum(squares, tree) / static_cast<float>(cols) + eps);
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const float value = (row[c] - mu) * scale * static_cast<float>(weight[c]) + static_cast<float>(bias[c]);
    out[start + c] = static_cast<scalar_t>(value);
  }
  if (threadIdx.x == blockDim.x - 1) {
    mean[blockIdx.x] = mu;
    rstd[blockIdx.x] = scale;
  }
}

template <typename scalar_t>
void layer_norm(scalar_t* out, float* mean, float* rstd, const scalar_t* x, const scalar_t* weight,
                const scalar_t* bias, float eps, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const int threads = 128;
  const size_t bytes = (threads + cols) * sizeof(float);
  layer_norm_shared<scalar_t><<<static_cast<unsigned>(rows), threads, bytes, stream>>>(out, mean, rstd, x, weight, bias, eps, cols);
}
