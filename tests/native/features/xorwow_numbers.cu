// cuRAND's default generator: its numbers are spread as they should be.
#include "checks.h"

#include <curand_kernel.h>

constexpr int CHECKS = 2;

__device__ int below;
__device__ float moments[2];
__global__ void draws(unsigned long long seed) {
  curandState state;
  curand_init(seed, threadIdx.x, 0, &state);
  for (int i = 0; i < 64; ++i) {
    if (curand_uniform(&state) < 0.25f) atomicAdd(&below, 1);
    float x = curand_normal(&state);
    atomicAdd(&moments[0], x);
    atomicAdd(&moments[1], x * x);
  }
}
__global__ void look(int* ok) {
  check(ok + 0, below > 900 && below < 1150);
  check(ok + 1, fabsf(moments[0]) < 300 && fabsf(moments[1] - 4096) < 500);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  const int zero = 0;
  const float none[2] = {0, 0};
  cudaMemcpyToSymbol(below, &zero, sizeof zero);
  cudaMemcpyToSymbol(moments, none, sizeof none);
  draws<<<1, 64, 0, stream>>>(7);
  look<<<1, 32, 0, stream>>>(ok);
}
