// One dynamic array in parts of several types.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void parts(int* ok, int count) {
  extern __shared__ __align__(16) unsigned char memory[];
  double* first = reinterpret_cast<double*>(memory);
  int* second = reinterpret_cast<int*>(first + count);
  first[threadIdx.x] = threadIdx.x * 0.5;
  second[threadIdx.x] = threadIdx.x;
  __syncthreads();
  int other = count - 1 - threadIdx.x;
  check(ok, first[other] == other * 0.5 && second[other] == other);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  parts<<<2, 64, 64 * (sizeof(double) + sizeof(int)), stream>>>(ok, 64);
}
