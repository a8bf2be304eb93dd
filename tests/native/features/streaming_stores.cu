// Stores with a cache hint.
#include "checks.h"

constexpr int CHECKS = 2;

__device__ __align__(16) float numbers[128];
__global__ void stores() {
  __stcs(reinterpret_cast<float4*>(numbers) + threadIdx.x, make_float4(1, 2, 3, threadIdx.x));
}
__global__ void more(int* ok) {
  int t = threadIdx.x;
  check(ok + 0, numbers[4 * t] == 1 && numbers[4 * t + 3] == t);
  __stcg(numbers + t, 1.0f);
  __stwb(numbers + t, numbers[t] + 1);
  __stwt(numbers + t, numbers[t] + 1);
  check(ok + 1, numbers[t] == 3);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  stores<<<1, 32, 0, stream>>>();
  more<<<1, 32, 0, stream>>>(ok);
}
