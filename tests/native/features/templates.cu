// Kernels and device functions that are templates: of types, numbers, and functors.
#include "checks.h"

constexpr int CHECKS = 3;

template <typename T>
struct Square {
  __device__ T operator()(T x) const { return x * x; }
};
template <typename T, int N, typename Operation>
__global__ void apply(int* ok, Operation operation) {
  __shared__ T numbers[N];
  numbers[threadIdx.x] = operation(T(threadIdx.x));
  __syncthreads();
  check(ok, numbers[N - 1 - threadIdx.x] == T((N - 1 - threadIdx.x) * (N - 1 - threadIdx.x)));
}
template <bool Negate>
__global__ void branch(int* ok) {
  if constexpr (Negate) check(ok, true);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  apply<float, 32><<<1, 32, 0, stream>>>(ok, Square<float>());
  apply<double, 48, Square<double>><<<1, 48, 0, stream>>>(ok + 1, {});
  branch<true><<<1, 32, 0, stream>>>(ok + 2);
}
