// fails: correct
// whole tiles of 16 along k only: the rest of the sum is dropped
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

constexpr int kTile = 16;

// Each block computes a 16 x 16 tile of the product from tiles of a and b in shared memory, as floats.
template <typename scalar_t>
__global__ void matmul_kernel(scalar_t* out, const scalar_t* a, const scalar_t* b, int64_t m, int64_t n, int64_t k) {
  __shared__ float as[kTile][kTile];
  __shared__ float bs[kTile][kTile];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int64_t row = static_cast<int64_t>(blockIdx.y) * kTile + ty, col = static_cast<int64_t>(blockIdx.x) * kTile + tx;
  float sum = 0.0f;
  for (int64_t start = 0; start < k && start + kTile <= (k < kTile ? kTile : k); start += kTile) {
    // Elements outside the matrices count as zero; every thread stays for the barriers.
    as[ty][tx] = row < m && start + tx < k ? static_cast<float>(a[row * k + start + tx]) : 0.0f;
    bs[ty][tx] = start + ty < k && col < n ? static_cast<float>(b[(start + ty) * n + col]) : 0.0f;
    __syncthreads();
    for (int p = 0; p < kTile; ++p) sum += as[ty][p] * bs[p][tx];
    __syncthreads();  // before the next tile overwrites this one
  }
  if (row < m && col < n) out[row * n + col] = static_cast<scalar_t>(sum);
}

template <typename scalar_t>
void matmul(scalar_t* out, const scalar_t* a, const scalar_t* b, int64_t m, int64_t n, int64_t k, cudaStream_t stream) {
  if (m == 0 || n == 0) return;
  const dim3 grid(static_cast<unsigned>((n + kTile - 1) / kTile), static_cast<unsigned>((m + kTile - 1) / kTile));
  matmul_kernel<scalar_t><<<grid, dim3(kTile, kTile), 0, stream>>>(out, a, b, m, n, k);
}
