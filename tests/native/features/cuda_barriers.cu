// cuda::barrier: arrival and waiting apart, with a token.
#include "checks.h"

#include <cuda/barrier>
#include <utility>

constexpr int CHECKS = 2;

__global__ void barriers(int* ok) {
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  __shared__ int numbers[64];
  if (threadIdx.x == 0) init(&bar, blockDim.x);
  __syncthreads();
  numbers[threadIdx.x] = threadIdx.x;
  auto token = bar.arrive();
  int own = threadIdx.x * 2;
  bar.wait(std::move(token));
  check(ok + 0, numbers[63 - threadIdx.x] + own == 63 + int(threadIdx.x));
  bar.arrive_and_wait();
  numbers[threadIdx.x] = own;
  bar.arrive_and_wait();
  check(ok + 1, numbers[(threadIdx.x + 1) % 64] == 2 * ((int(threadIdx.x) + 1) % 64));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  barriers<<<1, 64, 0, stream>>>(ok);
}
