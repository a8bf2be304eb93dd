#include <cuda_runtime.h>

#include <cstdint>

// Welford per thread over a strided part of the row; the parts are merged by Chan's formula in shared memory.
struct Moments {
  float count, mean, m2;
};

__device__ Moments merge(Moments a, Moments b) {
  if (b.count == 0.0f) return a;
  if (a.count == 0.0f) return b;
  const float count = a.count + b.count, delta = b.mean - a.mean;
  return {count, a.mean + delta * (b.count / count), a.m2 + b.m2 + delta * delta * (a.count * b.count / count)};
}

__global__ void variance_by_welford(float* out, const float* x, int64_t cols) {
  __shared__ Moments parts[64];
  const float* in = x + static_cast<int64_t>(blockIdx.x) * cols;
  Moments mine{0.0f, 0.0f, 0.0f};
  for (int64_t c = threadIdx.x; c < cols; c += 64) {
    mine.count += 1.0f;
    const float delta = in[c] - mine.mean;
    mine.mean += delta / mine.count;
    mine.m2 += delta * (in[c] - mine.mean);
  }
  parts[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = 32; half > 0; half >>= 1) {
    if (threadIdx.x < half) parts[threadIdx.x] = merge(parts[threadIdx.x], parts[threadIdx.x + half]);
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = parts[0].m2 / (parts[0].count - 1.0f);
}

void row_variance(float* out, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0) return;
  variance_by_welford<<<static_cast<unsigned>(rows), 64, 0, stream>>>(out, x, cols);
}
