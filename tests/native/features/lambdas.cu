// Device lambdas, with captures, as arguments of kernels and within them.
#include "checks.h"

constexpr int CHECKS = 2;

template <typename Function>
__global__ void each(int* ok, Function function) {
  check(ok, function(threadIdx.x) == 3 * threadIdx.x + 1);
}
__global__ void within(int* ok) {
  float sum = 0;
  auto add = [&](float x) { sum += x; };
  for (int i = 0; i < 4; ++i) add(i);
  check(ok, sum == 6);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  const unsigned int factor = 3;
  each<<<1, 32, 0, stream>>>(ok, [=] __device__(unsigned int x) { return factor * x + 1; });
  within<<<1, 32, 0, stream>>>(ok + 1);
}
