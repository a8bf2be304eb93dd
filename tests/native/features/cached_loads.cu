// Loads with a cache hint, of numbers and vectors.
#include "checks.h"

constexpr int CHECKS = 3;

__device__ __align__(16) float numbers[128];
__global__ void fill() { numbers[threadIdx.x] = threadIdx.x; }
__global__ void loads(int* ok) {
  int t = threadIdx.x;
  check(ok + 0, __ldg(numbers + t) == t && __ldg(reinterpret_cast<const float4*>(numbers) + t).w == 4 * t + 3);
  check(ok + 1, __ldcs(numbers + t) + __ldca(numbers + t) + __ldcg(numbers + t) + __ldlu(numbers + t) == 4 * t);
  check(ok + 2, __ldcv(reinterpret_cast<const int2*>(numbers) + t).y == __float_as_int(2.0f * t + 1));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<1, 128, 0, stream>>>();
  loads<<<1, 32, 0, stream>>>(ok);
}
