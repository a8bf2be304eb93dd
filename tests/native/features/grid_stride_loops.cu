// Loops that go on by the size of the grid.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ int squares[1000];
__global__ void square(int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) squares[i] = i * i;
}
__global__ void look(int* ok, int n) {
  bool held = true;
  for (int i = threadIdx.x; i < n; i += blockDim.x) held = held && squares[i] == i * i;
  check(ok, held);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  square<<<3, 96, 0, stream>>>(1000);
  look<<<1, 64, 0, stream>>>(ok, 1000);
}
