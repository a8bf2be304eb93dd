// Layer norm, three ways: a thread for a row, a warp for a row, a block for a row.
#include "checked.cuh"

constexpr float epsilon = 1e-5f;

__global__ void by_threads(float* out, const float* x, const float* weight, const float* bias, int rows, int cols) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  x += row * cols, out += row * cols;
  float mean = 0, variance = 0;
  for (int i = 0; i < cols; ++i) mean += x[i];
  mean /= cols;
  for (int i = 0; i < cols; ++i) variance += (x[i] - mean) * (x[i] - mean);
  float scale = rsqrtf(variance / cols + epsilon);
  for (int i = 0; i < cols; ++i) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

__device__ float warp_sum(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

__global__ void by_warps(float* __restrict__ out, const float* __restrict__ x, const float* __restrict__ weight,
                         const float* __restrict__ bias, int rows, int cols) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) / warpSize, lane = threadIdx.x % warpSize;
  if (row >= rows) return;
  x += row * cols, out += row * cols;
  float sum = 0, squares = 0;
  for (int i = lane; i < cols; i += warpSize) sum += x[i], squares += x[i] * x[i];
  float mean = warp_sum(sum) / cols, variance = warp_sum(squares) / cols - mean * mean;
  float scale = rsqrtf(variance + epsilon);
  for (int i = lane; i < cols; i += warpSize) __stcs(out + i, (__ldcs(x + i) - mean) * scale * weight[i] + bias[i]);
}

__device__ float block_sum(float x) {
  __shared__ float partial[32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  x = warp_sum(x);
  __syncthreads();
  if (lane == 0) partial[warp] = x;
  __syncthreads();
  return warp_sum(lane < blockDim.x / 32 ? partial[lane] : 0.0f);
}

__global__ void __launch_bounds__(128)
    by_blocks(float* out, const float* x, const float* weight, const float* bias, int cols) {
  extern __shared__ float row[];
  x += blockIdx.x * cols, out += blockIdx.x * cols;
  float sum = 0;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) sum += row[i] = x[i];
  float mean = block_sum(sum) / cols, squares = 0;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) squares += (row[i] - mean) * (row[i] - mean);
  float scale = rsqrtf(block_sum(squares) / cols + epsilon);
  for (int i = threadIdx.x; i < cols; i += blockDim.x) out[i] = (row[i] - mean) * scale * weight[i] + bias[i];
}

int main() {
  const int rows = 37, cols = 200;
  auto x = wave(rows * cols, 0.7f), weight = wave(cols, 0.3f), bias = wave(cols, 0.1f);
  std::vector<double> expected(rows * cols);
  for (int row = 0; row < rows; ++row) {
    double mean = 0, variance = 0;
    for (int i = 0; i < cols; ++i) mean += x[row * cols + i] / double(cols);
    for (int i = 0; i < cols; ++i) variance += pow(x[row * cols + i] - mean, 2) / cols;
    for (int i = 0; i < cols; ++i)
      expected[row * cols + i] = (x[row * cols + i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i];
  }
  float *dx = to_device(x), *dweight = to_device(weight), *dbias = to_device(bias),
        *out = on_device<float>(rows * cols);
  by_threads<<<2, 32>>>(out, dx, dweight, dbias, rows, cols);
  bool right = farthest(to_host(out, rows * cols), expected) < 1e-5;
  by_warps<<<(rows * 32 + 127) / 128, 128>>>(out, dx, dweight, dbias, rows, cols);
  right = right && farthest(to_host(out, rows * cols), expected) < 1e-5;
  by_blocks<<<rows, 128, cols * sizeof(float)>>>(out, dx, dweight, dbias, cols);
  right = right && farthest(to_host(out, rows * cols), expected) < 1e-5;
  for (float* pointer : {dx, dweight, dbias, out}) CHECKED(cudaFree(pointer));
  return verdict("layer norm", right);
}
