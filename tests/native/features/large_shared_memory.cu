// More than 48 KB of dynamic shared memory, once it is asked for.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void large(int* ok, int count) {
  extern __shared__ float buffer[];
  for (int i = threadIdx.x; i < count; i += blockDim.x) buffer[i] = i;
  __syncthreads();
  check(ok, buffer[count - 1 - threadIdx.x] == count - 1 - threadIdx.x);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  const int bytes = 100 << 10;
  cudaFuncAttributes attributes;
  cudaFuncSetAttribute(large, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  large<<<1, 256, bytes, stream>>>(ok, bytes / sizeof(float));
  check_on_host(ok + 1,
                cudaFuncGetAttributes(&attributes, large) == cudaSuccess && attributes.maxThreadsPerBlock == 1024,
                stream);
}
