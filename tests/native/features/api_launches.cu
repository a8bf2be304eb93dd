// Launches by cudaLaunchKernel, with the arguments in an array.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void add(int* ok, float x, short y) { check(ok, x + y == 4.5f); }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  float x = 1.5f;
  short y = 3;
  void* arguments[] = {&ok, &x, &y};
  cudaLaunchKernel((const void*)add, dim3(1), dim3(32), arguments, 0, stream);
}
