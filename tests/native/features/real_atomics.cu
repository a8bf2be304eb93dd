// Atomic sums of float, double, half and pairs.
#include "checks.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

constexpr int CHECKS = 2;

__device__ float single;
__device__ double twofold;
__device__ __half narrow;
__device__ __half2 pair;
__device__ __nv_bfloat16 brain;
__global__ void reset() { single = 0, twofold = 0, narrow = 0.0f, pair = __float2half2_rn(0), brain = 0.0f; }
__global__ void add() {
  atomicAdd(&single, 0.5f);
  atomicAdd(&twofold, 0.25);
  atomicAdd(&narrow, __float2half(1.0f));
  atomicAdd(&pair, __floats2half2_rn(1.0f, 2.0f));
  atomicAdd(&brain, __float2bfloat16(1.0f));
}
__global__ void look(int* ok) {
  check(ok + 0, single == 64 && twofold == 32);
  check(ok + 1, float(narrow) == 128 && __low2float(pair) == 128 && __high2float(pair) == 256 && float(brain) == 128);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  add<<<4, 32, 0, stream>>>();
  look<<<1, 32, 0, stream>>>(ok);
}
