// Kernels that say how many threads their blocks have.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void __launch_bounds__(128) before(int* ok) { check(ok, blockDim.x == 128); }
template <int Threads>
__launch_bounds__(Threads, 2) __global__ void after(int* ok) {
  check(ok, blockDim.x == Threads);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  before<<<1, 128, 0, stream>>>(ok);
  after<64><<<3, 64, 0, stream>>>(ok + 1);
}
