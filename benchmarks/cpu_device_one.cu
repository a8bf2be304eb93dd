// What a student's reply is like: one kernel and its launcher. For the time of a build.
#include <cuda_runtime.h>

template <int Threads>
__global__ void layer_norm(const float* __restrict__ x, const float* __restrict__ weight,
                           const float* __restrict__ bias, float* __restrict__ y, int columns, float epsilon) {
  __shared__ float sums[Threads / 32], squares[Threads / 32];
  const float* row = x + static_cast<size_t>(blockIdx.x) * columns;
  float sum = 0, square = 0;
  for (int c = threadIdx.x; c < columns; c += Threads) sum += row[c], square += row[c] * row[c];
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    sum += __shfl_down_sync(0xffffffffu, sum, offset);
    square += __shfl_down_sync(0xffffffffu, square, offset);
  }
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum, squares[threadIdx.x / 32] = square;
  __syncthreads();
  sum = square = 0;
  for (int warp = 0; warp < Threads / 32; ++warp) sum += sums[warp], square += squares[warp];
  const float mean = sum / columns, scale = rsqrtf(square / columns - mean * mean + epsilon);
  for (int c = threadIdx.x; c < columns; c += Threads)
    y[static_cast<size_t>(blockIdx.x) * columns + c] = (row[c] - mean) * scale * weight[c] + bias[c];
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  layer_norm<256>
      <<<64, 256, 0, stream>>>((const float*)a[0], (const float*)a[0], (const float*)a[0], (float*)a[1], 1024, 1e-5f);
}
