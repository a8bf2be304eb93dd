#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// A block per row: each thread sums a stretch of columns, the stretches' sums are scanned in shared memory (Hillis and
// Steele, two buffers), and each thread walks its stretch again from where the ones before it end.
template <typename scalar_t>
__global__ void cumsum_block(scalar_t* out, const scalar_t* x, int64_t cols) {
  __shared__ float sums[2][128];
  const scalar_t* in = x + static_cast<int64_t>(blockIdx.x) * cols;
  scalar_t* to = out + static_cast<int64_t>(blockIdx.x) * cols;
  const int t = static_cast<int>(threadIdx.x);
  const int64_t each = (cols + 127) / 128;
  const int64_t begin = min(cols, t * each), end = min(cols, begin + each);
  float sum = 0.0f;
  for (int64_t c = begin; c < end; ++c) sum += static_cast<float>(in[c]);
  int from = 0;
  sums[from][t] = sum;
  for (int offset = 1; offset < 128; offset *= 2) {
    __syncthreads();
    sums[1 - from][t] = t >= offset ? sums[from][t] + sums[from][t - offset] : sums[from][t];
    from = 1 - from;
  }
  __syncthreads();
  float running = t == 0 ? 0.0f : sums[from][t - 1];
  for (int64_t c = begin; c < end; ++c) {
    running += static_cast<float>(in[c]);
    to[c] = static_cast<scalar_t>(running);
  }
}

template <typename scalar_t>
void cumsum(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  cumsum_block<scalar_t><<<static_cast<unsigned>(rows), 128, 0, stream>>>(out, x, cols);
}
