// Matrix products in order of cleverness: an element for a thread, tiles in shared memory, a block of registers with
// vector loads, double buffering with copies in the background; and cuBLAS to compare with.
#include <cublas_v2.h>
#include <cuda_pipeline.h>

#include "checked.cuh"

__global__ void naive(int m, int n, int k, const float* a, const float* b, float* c) {
  const int row = blockIdx.y * blockDim.y + threadIdx.y, col = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= m || col >= n) return;
  float sum = 0;
  for (int i = 0; i < k; ++i) sum += a[row * k + i] * b[i * n + col];
  c[row * n + col] = sum;
}

template <int Tile>
__global__ void tiled(int m, int n, int k, const float* a, const float* b, float* c) {
  __shared__ float left[Tile][Tile], right[Tile][Tile];
  const int row = blockIdx.y * Tile + threadIdx.y, col = blockIdx.x * Tile + threadIdx.x;
  float sum = 0;
  for (int i = 0; i < k; i += Tile) {
    left[threadIdx.y][threadIdx.x] = row < m && i + threadIdx.x < k ? a[row * k + i + threadIdx.x] : 0;
    right[threadIdx.y][threadIdx.x] = col < n && i + threadIdx.y < k ? b[(i + threadIdx.y) * n + col] : 0;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < Tile; ++j) sum += left[threadIdx.y][j] * right[j][threadIdx.x];
    __syncthreads();
  }
  if (row < m && col < n) c[row * n + col] = sum;
}

// A block computes 64x64 elements, a thread 4x4 of them; sizes are multiples of that.
__global__ void __launch_bounds__(256) registers(int n, int k, const float* a, const float* b, float* c) {
  constexpr int size = 64, depth = 16;
  __shared__ float left[depth][size];
  __shared__ __align__(16) float right[depth][size];
  const int t = threadIdx.x, row = t / 16 * 4, col = t % 16 * 4;
  a += blockIdx.y * size * k, b += blockIdx.x * size, c += blockIdx.y * size * n + blockIdx.x * size;
  float sums[4][4] = {};
  for (int i = 0; i < k; i += depth) {
    const float4 x = *reinterpret_cast<const float4*>(a + t / 4 * k + i + t % 4 * 4);
    left[t % 4 * 4 + 0][t / 4] = x.x, left[t % 4 * 4 + 1][t / 4] = x.y;
    left[t % 4 * 4 + 2][t / 4] = x.z, left[t % 4 * 4 + 3][t / 4] = x.w;
    *reinterpret_cast<float4*>(&right[t / 16][col]) = *reinterpret_cast<const float4*>(b + (i + t / 16) * n + col);
    __syncthreads();
    for (int j = 0; j < depth; ++j) {
      float x4[4], y4[4];
      for (int u = 0; u < 4; ++u) x4[u] = left[j][row + u], y4[u] = right[j][col + u];
      for (int u = 0; u < 4; ++u)
        for (int w = 0; w < 4; ++w) sums[u][w] += x4[u] * y4[w];
    }
    __syncthreads();
  }
  for (int u = 0; u < 4; ++u)
    *reinterpret_cast<float4*>(c + (row + u) * n + col) = make_float4(sums[u][0], sums[u][1], sums[u][2], sums[u][3]);
}

__global__ void buffered(int n, int k, const float* a, const float* b, float* c) {
  constexpr int tile = 16;
  __shared__ float left[2][tile][tile], right[2][tile][tile];
  const int y = threadIdx.y, x = threadIdx.x, row = blockIdx.y * tile + y, col = blockIdx.x * tile + x;
  auto fetch = [&](int i) {
    __pipeline_memcpy_async(&left[i / tile % 2][y][x], a + row * k + i + x, sizeof(float));
    __pipeline_memcpy_async(&right[i / tile % 2][y][x], b + (i + y) * n + col, sizeof(float));
    __pipeline_commit();
  };
  float sum = 0;
  fetch(0);
  for (int i = 0; i < k; i += tile) {
    if (i + tile < k) fetch(i + tile);
    __pipeline_wait_prior(i + tile < k ? 1 : 0);
    __syncthreads();
    for (int j = 0; j < tile; ++j) sum += left[i / tile % 2][y][j] * right[i / tile % 2][j][x];
    __syncthreads();
  }
  c[row * n + col] = sum;
}

int main() {
  const int m = 64, n = 128, k = 48;
  auto a = wave(m * k, 0.3f), b = wave(k * n, 0.7f);
  std::vector<double> expected(m * n);
  for (int row = 0; row < m; ++row)
    for (int i = 0; i < k; ++i)
      for (int col = 0; col < n; ++col) expected[row * n + col] += double(a[row * k + i]) * b[i * n + col];
  float *da = to_device(a), *db = to_device(b), *c = on_device<float>(m * n), one = 1, zero = 0;
  bool right = true;
  auto compare = [&] { right = right && farthest(to_host(c, m * n), expected) < 1e-4; };
  naive<<<dim3(n / 16, m / 16), dim3(16, 16)>>>(m, n, k, da, db, c), compare();
  tiled<32><<<dim3(n / 32, m / 32), dim3(32, 32)>>>(m, n, k, da, db, c), compare();
  registers<<<dim3(n / 64, m / 64), 256>>>(n, k, da, db, c), compare();
  buffered<<<dim3(n / 16, m / 16), dim3(16, 16)>>>(n, k, da, db, c), compare();
  cublasHandle_t handle;
  right = right && cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS;
  cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, db, n, da, k, &zero, c, n), compare();
  cublasDestroy(handle);
  for (float* pointer : {da, db, c}) CHECKED(cudaFree(pointer));
  return verdict("matrix product", right);
}
