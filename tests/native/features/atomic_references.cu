// cuda::atomic_ref and cuda::atomic, with orders and scopes.
#include "checks.h"

#include <cuda/atomic>

constexpr int CHECKS = 2;

__device__ int counter;
__device__ cuda::atomic<int, cuda::thread_scope_device> flag;
__global__ void reset() {
  counter = 0;
  flag.store(0);
}
__global__ void count(int* ok) {
  cuda::atomic_ref<int, cuda::thread_scope_device> shared_counter(counter);
  shared_counter.fetch_add(2, cuda::std::memory_order_relaxed);
  __syncthreads();
  check(ok + 0, shared_counter.load() == 128);
  if (threadIdx.x == 50) flag.store(9, cuda::std::memory_order_release);
  int seen = 9;
  if (threadIdx.x == 3) {
    while ((seen = flag.load(cuda::std::memory_order_acquire)) == 0) {
    }
  }
  check(ok + 1, seen == 9);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  count<<<1, 64, 0, stream>>>(ok);
}
