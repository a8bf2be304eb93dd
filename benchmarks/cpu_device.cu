// Kernels for cpu_device.py. x and y are a million floats each; most kernels take the first 65536.
#include <cuda_runtime.h>

__global__ void add(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] + x[n - 1 - i];
}
__device__ float block_sum(float v) {
  __shared__ float warps[32];
  for (int o = 16; o > 0; o /= 2) v += __shfl_down_sync(0xffffffffu, v, o);
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
  __syncthreads();
  v = 0;
  for (unsigned i = 0; i < blockDim.x / 32; ++i) v += warps[i];
  return v;
}
__global__ void softmax(const float* x, float* y, int columns) {
  __shared__ float s[256];
  const float* row = x + blockIdx.x * columns;
  float most = -1e30f, sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) most = fmaxf(most, row[c]);
  s[threadIdx.x] = most;
  __syncthreads();
  for (int o = blockDim.x / 2; o > 0; o /= 2) {
    if (threadIdx.x < o) s[threadIdx.x] = fmaxf(s[threadIdx.x], s[threadIdx.x + o]);
    __syncthreads();
  }
  most = s[0];
  for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += y[blockIdx.x * columns + c] = expf(row[c] - most);
  sum = block_sum(sum);
  for (int c = threadIdx.x; c < columns; c += blockDim.x) y[blockIdx.x * columns + c] /= sum;
}
__global__ void layer_norm(const float* x, float* y, int columns) {
  const float* row = x + blockIdx.x * columns;
  float sum = 0, squares = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += row[c], squares += row[c] * row[c];
  float mean = block_sum(sum) / columns, variance = block_sum(squares) / columns - mean * mean;
  for (int c = threadIdx.x; c < columns; c += blockDim.x)
    y[blockIdx.x * columns + c] = (row[c] - mean) * rsqrtf(variance + 1e-5f);
}
__global__ void matmul(const float* x, float* y, int n) {
  __shared__ float a[16][16], b[16][16];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    a[threadIdx.y][threadIdx.x] = x[row * n + k + threadIdx.x];
    b[threadIdx.y][threadIdx.x] = x[(k + threadIdx.y) * n + column];
    __syncthreads();
    for (int i = 0; i < 16; ++i) sum += a[threadIdx.y][i] * b[i][threadIdx.x];
    __syncthreads();
  }
  y[row * n + column] = sum;
}
__global__ void histogram(const float* x, unsigned* counts, int n) {
  __shared__ unsigned local[256];
  local[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[static_cast<unsigned>(x[i] * 255.0f) & 255], 1);
  __syncthreads();
  atomicAdd(&counts[threadIdx.x], local[threadIdx.x]);
}
// Nothing but barriers: 256 threads, each of which stops 1000 times.
__global__ void barriers(float* y) {
  for (int i = 0; i < 1000; ++i) __syncthreads();
  if (threadIdx.x == 0) y[0] = 1;
}
__global__ void shuffles(float* y) {
  float v = threadIdx.x;
  for (int i = 0; i < 1000; ++i) v = __shfl_xor_sync(0xffffffffu, v, 1);
  y[threadIdx.x] = v;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  constexpr int n = 65536;
  if (which == 0) add<<<n / 256, 256, 0, stream>>>(x, y, n);
  if (which == 1) softmax<<<64, 256, 0, stream>>>(x, y, 1024);
  if (which == 2) layer_norm<<<64, 256, 0, stream>>>(x, y, 1024);
  if (which == 3) matmul<<<dim3(4, 4), dim3(16, 16), 0, stream>>>(x, y, 64);
  if (which == 4) histogram<<<64, 256, 0, stream>>>(x, (unsigned*)y, n);
  if (which == 5) softmax<<<1024, 256, 0, stream>>>(x, y, 1024);
  if (which == 6) barriers<<<1, 256, 0, stream>>>(y);
  if (which == 7) shuffles<<<1, 256, 0, stream>>>(y);
}
