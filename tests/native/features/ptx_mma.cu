// Inline PTX: mma.sync.m16n8k16 of halves, summed in floats.
#include "checks.h"

#include <cuda_fp16.h>

constexpr int CHECKS = 1;

__device__ unsigned pair(float x, float y) {
  half2 both = __floats2half2_rn(x, y);
  return *reinterpret_cast<unsigned*>(&both);
}
__device__ float left(int row, int k) { return (row * 3 + k) % 5 - 2; }
__device__ float right(int k, int column) { return (k + 2 * column) % 7 - 3; }
__global__ void product(int* ok) {
  const int row = threadIdx.x / 4, k = threadIdx.x % 4 * 2;
  unsigned a[4] = {pair(left(row, k), left(row, k + 1)), pair(left(row + 8, k), left(row + 8, k + 1)),
                   pair(left(row, k + 8), left(row, k + 9)), pair(left(row + 8, k + 8), left(row + 8, k + 9))};
  unsigned b[2] = {pair(right(k, row), right(k + 1, row)), pair(right(k + 8, row), right(k + 9, row))};
  float c[4] = {1, 1, 1, 1};
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  bool same = true;
  for (int i = 0; i < 4; ++i) {
    float expected = 1;
    for (int j = 0; j < 16; ++j) expected += left(row + i / 2 * 8, j) * right(j, k + i % 2);
    same = same && c[i] == expected;
  }
  check(ok, same);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  product<<<1, 32, 0, stream>>>(ok);
}
