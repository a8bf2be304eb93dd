// wmma. a[0]: ints, one for each check, 1 if it held for all threads of the block.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

// C = alpha A B + C, a 16x16 tile for each warp.
template <typename T, typename LayoutB>
__global__ void tiles(int* ok) {
  __shared__ __align__(32) T a[16 * 32], b[32 * 16];
  __shared__ __align__(32) float c[16 * 16], d[16 * 16];
  for (int i = threadIdx.x; i < 512; i += 32) {
    a[i] = T(float(i % 7 - 3));
    b[i] = T(float(i % 5 - 2));
  }
  for (int i = threadIdx.x; i < 256; i += 32) c[i] = i % 3;
  __syncwarp();
  wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, T, LayoutB> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc, fc;
  wmma::fill_fragment(acc, 0.0f);
  constexpr bool rows = std::is_same<LayoutB, wmma::row_major>::value;
  for (int k = 0; k < 32; k += 16) {
    wmma::load_matrix_sync(fa, a + k, 32);
    wmma::load_matrix_sync(fb, rows ? b + k * 16 : b + k, rows ? 16 : 32);
    wmma::mma_sync(acc, fa, fb, acc);
  }
  wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
  for (int i = 0; i < acc.num_elements; i++) fc.x[i] = 2.0f * acc.x[i] + fc.x[i];
  wmma::store_matrix_sync(d, fc, 16, wmma::mem_row_major);
  __syncwarp();
  bool same = true;
  for (int i = threadIdx.x; i < 256; i += 32) {
    float sum = 0;
    for (int k = 0; k < 32; ++k)
      sum += float(a[i / 16 * 32 + k]) * float(rows ? b[k * 16 + i % 16] : b[i % 16 * 32 + k]);
    same = same && d[i] == 2 * sum + c[i];
  }
  check(ok, same);
}

__global__ void half_sums(int* ok) {
  __shared__ __align__(32) half a[32 * 16], b[16 * 8], d[32 * 8];
  for (int i = threadIdx.x; i < 512; i += 32) a[i] = __float2half(i % 5);
  for (int i = threadIdx.x; i < 128; i += 32) b[i] = __float2half(i % 3);
  __syncwarp();
  wmma::fragment<wmma::matrix_a, 32, 8, 16, half, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 32, 8, 16, half, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 32, 8, 16, half> acc;
  wmma::fill_fragment(acc, __float2half(1.0f));
  wmma::load_matrix_sync(fa, a, 16);
  wmma::load_matrix_sync(fb, b, 8);
  wmma::mma_sync(acc, fa, fb, acc);
  wmma::store_matrix_sync(d, acc, 32, wmma::mem_col_major);
  __syncwarp();
  float sum = 1;
  int row = threadIdx.x, column = 5;
  for (int k = 0; k < 16; ++k) sum += __half2float(a[row * 16 + k]) * __half2float(b[k * 8 + column]);
  check(ok, __half2float(d[column * 32 + row]) == sum);
}

__global__ void tf32(int* ok) {
  __shared__ __align__(32) float a[16 * 8], b[8 * 16], d[256];
  for (int i = threadIdx.x; i < 128; i += 32) a[i] = i % 9 - 4, b[i] = i % 4;
  __syncwarp();
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> acc;
  wmma::fill_fragment(acc, 0.0f);
  wmma::load_matrix_sync(fa, a, 8);
  wmma::load_matrix_sync(fb, b, 16);
  for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
  wmma::mma_sync(acc, fa, fb, acc);
  wmma::store_matrix_sync(d, acc, 16, wmma::mem_row_major);
  __syncwarp();
  float sum = 0;
  for (int k = 0; k < 8; ++k) sum += a[3 * 8 + k] * b[k * 16 + threadIdx.x % 16];
  check(ok, d[3 * 16 + threadIdx.x % 16] == sum);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  tiles<half, wmma::row_major><<<1, 32, 0, stream>>>(ok++);
  tiles<half, wmma::col_major><<<1, 32, 0, stream>>>(ok++);
  tiles<__nv_bfloat16, wmma::col_major><<<1, 32, 0, stream>>>(ok++);
  half_sums<<<1, 32, 0, stream>>>(ok++);
  tf32<<<1, 32, 0, stream>>>(ok++);
}
