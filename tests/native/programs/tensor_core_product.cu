// A product of half matrices on tensor cores: by wmma, and by ldmatrix and mma.sync with copies in the background.
#include <cuda_fp16.h>
#include <mma.h>

#include "checked.cuh"

using namespace nvcuda;

__global__ void by_wmma(const half* a, const half* b, float* c, int n, int k) {
  const int row = blockIdx.y * 16, col = blockIdx.x * 16;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> left;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> right;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
  wmma::fill_fragment(sum, 0.0f);
  for (int i = 0; i < k; i += 16) {
    wmma::load_matrix_sync(left, a + row * k + i, k);
    wmma::load_matrix_sync(right, b + i * n + col, n);
    wmma::mma_sync(sum, left, right, sum);
  }
  wmma::store_matrix_sync(c + row * n + col, sum, n, wmma::mem_row_major);
}

__device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// One warp computes 16x8 elements.
__global__ void by_mma(const half* a, const half* b, float* c, int n, int k) {
  __shared__ __align__(16) half left[16][16], right[16][8];
  const int lane = threadIdx.x, row = blockIdx.y * 16, col = blockIdx.x * 8;
  float sum[4] = {};
  for (int i = 0; i < k; i += 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(&left[lane / 2][lane % 2 * 8])),
                 "l"(a + (row + lane / 2) * k + i + lane % 2 * 8));
    if (lane < 16)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(&right[lane][0])),
                   "l"(b + (i + lane) * n + col));
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncwarp();
    unsigned x[4], y[2];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(shared_address(&left[lane % 16][lane / 16 * 8])));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(y[0]), "=r"(y[1])
                 : "r"(shared_address(&right[lane % 16][0])));
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    __syncwarp();
  }
  for (int i = 0; i < 4; ++i) c[(row + lane / 4 + i / 2 * 8) * n + col + lane % 4 * 2 + i % 2] = sum[i];
}

int main() {
  const int m = 32, n = 48, k = 64;
  std::vector<half> a(m * k), b(k * n);
  for (int i = 0; i < m * k; ++i) a[i] = __float2half(float(i % 7 - 3));
  for (int i = 0; i < k * n; ++i) b[i] = __float2half(float(i % 5 - 2));
  std::vector<float> expected(m * n);
  for (int i = 0; i < m * n; ++i)
    for (int j = 0; j < k; ++j) expected[i] += __half2float(a[i / n * k + j]) * __half2float(b[j * n + i % n]);
  half *da = to_device(a), *db = to_device(b);
  float* c = on_device<float>(m * n);
  by_wmma<<<dim3(n / 16, m / 16), 32>>>(da, db, c, n, k);
  bool right = to_host(c, m * n) == expected;
  by_mma<<<dim3(n / 8, m / 16), 32>>>(da, db, c, n, k);
  right = right && to_host(c, m * n) == expected;
  CHECKED(cudaFree(da));
  CHECKED(cudaFree(db));
  CHECKED(cudaFree(c));
  return verdict("tensor core product", right);
}
