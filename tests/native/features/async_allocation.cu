// Scratch memory from cudaMallocAsync and from a pool.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void fill(float* scratch) { scratch[threadIdx.x] = threadIdx.x; }
__global__ void reverse(const float* scratch, int* ok) {
  check(ok, scratch[blockDim.x - 1 - threadIdx.x] == blockDim.x - 1 - threadIdx.x);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  float* scratch = nullptr;
  cudaMallocAsync(&scratch, 64 * sizeof(float), stream);
  fill<<<1, 64, 0, stream>>>(scratch);
  reverse<<<1, 64, 0, stream>>>(scratch, ok);
  cudaFreeAsync(scratch, stream);
  cudaMemPool_t pool;
  cudaDeviceGetDefaultMemPool(&pool, 0);
  check_on_host(ok + 1, cudaMallocFromPoolAsync(&scratch, 64, pool, stream) == cudaSuccess && scratch != nullptr,
                stream);
  cudaFreeAsync(scratch, stream);
}
