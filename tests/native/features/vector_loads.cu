// Loads and stores of 8 and 16 bytes by reinterpret_cast.
#include "checks.h"

constexpr int CHECKS = 2;

__device__ __align__(16) float numbers[256];
__global__ void fill() { numbers[threadIdx.x] = threadIdx.x; }
__global__ void vectors(int* ok) {
  const int t = threadIdx.x;
  float4 quad = reinterpret_cast<float4*>(numbers)[t];
  check(ok + 0, quad.x == 4 * t && quad.y == 4 * t + 1 && quad.z == 4 * t + 2 && quad.w == 4 * t + 3);
  reinterpret_cast<double2*>(numbers)[t] = make_double2(t, -t);
  __syncthreads();
  const int2 words = reinterpret_cast<const int2*>(numbers)[2 * t + 1];
  check(ok + 1, __hiloint2double(words.y, words.x) == -t);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<1, 256, 0, stream>>>();
  vectors<<<1, 64, 0, stream>>>(ok);
}
