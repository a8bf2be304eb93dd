#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// 64 threads compute a 32 x 32 tile: 4 x 4 elements each in registers, fed from shared memory.
template <typename scalar_t>
__global__ void matmul_registers(scalar_t* out, const scalar_t* a, const scalar_t* b, int64_t m, int64_t n, int64_t k) {
  __shared__ float as[32][9], bs[8][33];
  const int t = threadIdx.x, tr = t / 8 * 4, tc = t % 8 * 4;
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * 32, col0 = static_cast<int64_t>(blockIdx.x) * 32;
  float sums[4][4] = {};
  for (int64_t start = 0; start < k; start += 8) {
    for (int i = t; i < 256; i += 64) {
      const int64_t r = row0 + i / 8, p = start + i % 8;
      as[i / 8][i % 8] = r < m && p < k ? static_cast<float>(a[r * k + p]) : 0.0f;
      const int64_t q = start + i / 32, c = col0 + i % 32;
      bs[i / 32][i % 32] = q < k && c < n ? static_cast<float>(b[q * n + c]) : 0.0f;
    }
    __syncthreads();
    for (int p = 0; p < 8; ++p) {
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) sums[i][j] += as[tr + i][p] * bs[p][tc + j];
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      const int64_t r = row0 + tr + i, c = col0 + tc + j;
      if (r < m && c < n) out[r * n + c] = static_cast<scalar_t>(sums[i][j]);
    }
  }
}

template <typename scalar_t>
void matmul(scalar_t* out, const scalar_t* a, const scalar_t* b, int64_t m, int64_t n, int64_t k, cudaStream_t stream) {
  if (m == 0 || n == 0) return;
  const dim3 grid(static_cast<unsigned>((n + 31) / 32), static_cast<unsigned>((m + 31) / 32));
  matmul_registers<scalar_t><<<grid, 64, 0, stream>>>(out, a, b, m, n, k);
}
