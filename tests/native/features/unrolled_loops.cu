// #pragma unroll in its forms, and arrays in registers.
#include "checks.h"

constexpr int CHECKS = 1;

template <int N>
__global__ void unrolled(int* ok) {
  int terms[N], sum = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) terms[i] = i * i;
#pragma unroll 4
  for (int i = 0; i < N; ++i) sum += terms[i];
#pragma unroll 1
  for (int i = 0; i < N; ++i) sum -= terms[i] - i;
  check(ok, sum == N * (N - 1) / 2);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  unrolled<16><<<1, 32, 0, stream>>>(ok);
}
