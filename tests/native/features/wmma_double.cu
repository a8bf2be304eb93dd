// A tile of doubles.
#include "checks.h"

#include <mma.h>

constexpr int CHECKS = 1;

using namespace nvcuda;
__global__ void product(int* ok) {
  __shared__ __align__(32) double a[32], b[32];
  __shared__ __align__(32) double c[64];
  for (int i = threadIdx.x; i < 32; i += 32) a[i] = double(float(i % 5 - 2));
  for (int i = threadIdx.x; i < 32; i += 32) b[i] = double(float(i % 3));
  __syncwarp();
  wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 8, 8, 4, double> sum;
  wmma::fill_fragment(sum, double(1.0f));
  wmma::load_matrix_sync(fa, a, 4);
  wmma::load_matrix_sync(fb, b, 8);
  wmma::mma_sync(sum, fa, fb, sum);
  wmma::store_matrix_sync(c, sum, 8, wmma::mem_row_major);
  __syncwarp();
  bool same = true;
  for (int i = threadIdx.x; i < 64; i += 32) {
    float expected = 1;
    for (int k = 0; k < 4; ++k) expected += float(a[i / 8 * 4 + k]) * float(b[k * 8 + i % 8]);
    same = same && float(c[i]) == expected;
  }
  check(ok, same);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  product<<<1, 32, 0, stream>>>(ok);
}
