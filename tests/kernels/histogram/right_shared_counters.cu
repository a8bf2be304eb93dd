#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// Counters per block in dynamic shared memory, added to the result at the end.
__global__ void clear(int32_t* counts, int64_t bins) {
  for (int64_t b = threadIdx.x; b < bins; b += blockDim.x) counts[b] = 0;
}

__global__ void count_in_shared(int32_t* counts, const int64_t* values, int64_t n, int64_t bins) {
  extern __shared__ int local[];
  for (int64_t b = threadIdx.x; b < bins; b += blockDim.x) local[b] = 0;
  __syncthreads();
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const int64_t value = values[i];
    if (value >= 0 && value < bins) atomicAdd(local + value, 1);
  }
  __syncthreads();
  for (int64_t b = threadIdx.x; b < bins; b += blockDim.x) {
    if (local[b] != 0) atomicAdd(counts + b, local[b]);
  }
}

void histogram(int32_t* counts, const int64_t* values, int64_t n, int64_t bins, cudaStream_t stream) {
  if (bins == 0) return;
  clear<<<1, 128, 0, stream>>>(counts, bins);
  if (n == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((n + 511) / 512, 64));
  count_in_shared<<<blocks, 128, bins * sizeof(int), stream>>>(counts, values, n, bins);
}
