// Threads beyond the end leave, and those that stay use shuffles among themselves.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void sums(int* ok, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const unsigned mask = __activemask();
  const int lanes = __popc(mask);
  int sum = 1;
  for (int offset = 16; offset > 0; offset /= 2) {
    int other = __shfl_down_sync(mask, sum, offset);
    if (i % 32 + offset < lanes) sum += other;
  }
  if (i == 96) *ok = sum == 4;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  sums<<<2, 64, 0, stream>>>(ok, 100);
}
