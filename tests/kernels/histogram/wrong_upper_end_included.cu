// fails: memory
// a value equal to bins is counted, one past the end
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

__global__ void count_kernel(int32_t* counts, const int64_t* values, int64_t n, int64_t bins) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const int64_t value = values[i];
    if (value >= 0 && value <= bins) atomicAdd(&counts[value], 1);
  }
}

void histogram(int32_t* counts, const int64_t* values, int64_t n, int64_t bins, cudaStream_t stream) {
  if (bins == 0) return;
  cudaMemsetAsync(counts, 0, bins * sizeof(int32_t), stream);  // even where n is 0
  if (n == 0) return;
  const unsigned blocks = static_cast<unsigned>(std::min<int64_t>((n + 255) / 256, 1024));
  count_kernel<<<blocks, 256, 0, stream>>>(counts, values, n, bins);
}
