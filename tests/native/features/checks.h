// What the feature programs share: how they note that something held. Each says by CHECKS how many ints a[0] has.
#pragma once
#include <cuda_runtime.h>

// For all threads of a block to call: *ok becomes 1 if it held for each of them.
static __device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x + threadIdx.y + threadIdx.z == 0) *ok = 1;
}

// The same for what host code sees.
static void check_on_host(int* ok, bool held, cudaStream_t stream) {
  const int value = held;
  cudaMemcpyAsync(ok, &value, sizeof value, cudaMemcpyHostToDevice, stream);
}
