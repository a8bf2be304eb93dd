// fails: correct
// the bounds of the second half are not swapped: right for square matrices
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

constexpr int kTile = 32;
constexpr int kRows = 8;  // a block of 32 x 8 threads moves a tile of 32 x 32

// Reads and writes both run along rows in memory; the turn happens in shared memory. The extra column keeps the
// threads of a warp in different banks when they read a column of the tile.
template <typename scalar_t>
__global__ void transpose_kernel(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols) {
  __shared__ scalar_t tile[kTile][kTile + 1];
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * kTile, col0 = static_cast<int64_t>(blockIdx.x) * kTile;
  for (int k = threadIdx.y; k < kTile; k += kRows) {
    const int64_t r = row0 + k, c = col0 + threadIdx.x;
    if (r < rows && c < cols) tile[k][threadIdx.x] = x[r * cols + c];
  }
  __syncthreads();  // reached by every thread: the bounds are tested around the accesses only
  for (int k = threadIdx.y; k < kTile; k += kRows) {
    const int64_t r = row0 + threadIdx.x, c = col0 + k;
    if (r < cols && c < rows && r < rows && c < cols) out[c * rows + r] = tile[threadIdx.x][k];
  }
}

template <typename scalar_t>
void transpose(scalar_t* out, const scalar_t* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  const dim3 grid(static_cast<unsigned>((cols + kTile - 1) / kTile), static_cast<unsigned>((rows + kTile - 1) / kTile));
  transpose_kernel<scalar_t><<<grid, dim3(kTile, kRows), 0, stream>>>(out, x, rows, cols);
}
