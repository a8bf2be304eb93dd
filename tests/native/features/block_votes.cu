// Barriers that count, and what a block agrees on.
#include "checks.h"

constexpr int CHECKS = 4;

__global__ void votes(int* ok) {
  int t = threadIdx.x;
  check(ok + 0, __syncthreads_count(t % 3 == 0) == 32);
  check(ok + 1, __syncthreads_and(t < 96) != 0);
  check(ok + 2, __syncthreads_and(t < 95) == 0);
  check(ok + 3, __syncthreads_or(t == 95) != 0 && __syncthreads_or(t == 96) == 0);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  votes<<<2, 96, 0, stream>>>(ok);
}
