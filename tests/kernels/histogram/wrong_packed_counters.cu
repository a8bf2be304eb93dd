// fails: correct
// counters of 8 bits, four in a word: one overflows into the next if all 256 values of a block are equal
#include <cuda_runtime.h>

#include <cstdint>

__global__ void count_kernel(int32_t* counts, const int64_t* values, int64_t n, int64_t bins) {
  extern __shared__ unsigned words[];
  for (int64_t w = threadIdx.x; w < (bins + 3) / 4; w += blockDim.x) words[w] = 0;
  __syncthreads();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n && values[i] >= 0 && values[i] < bins) atomicAdd(&words[values[i] / 4], 1u << (values[i] % 4 * 8));
  __syncthreads();
  for (int64_t b = threadIdx.x; b < bins; b += blockDim.x)
    atomicAdd(&counts[b], static_cast<int>(words[b / 4] >> (b % 4 * 8) & 255));
}

void histogram(int32_t* counts, const int64_t* values, int64_t n, int64_t bins, cudaStream_t stream) {
  cudaMemsetAsync(counts, 0, static_cast<size_t>(bins) * sizeof(int32_t), stream);
  const auto bytes = static_cast<size_t>((bins + 3) / 4 * 4);
  count_kernel<<<static_cast<unsigned>((n + 255) / 256), 256, bytes, stream>>>(counts, values, n, bins);
}
