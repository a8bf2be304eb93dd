// Inline PTX: copies to shared memory in the background, in groups.
#include "checks.h"

constexpr int CHECKS = 2;

__device__ __align__(16) float source[256];
__global__ void fill() { source[threadIdx.x] = threadIdx.x; }
__device__ void copy16(void* to, const void* from) {
  unsigned int address = static_cast<unsigned int>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(from));
}
__global__ void copies(int* ok) {
  __shared__ __align__(16) float tile[2][128];
  const int t = threadIdx.x;
  copy16(&tile[0][4 * t], source + 4 * t);
  asm volatile("cp.async.commit_group;\n" ::);
  copy16(&tile[1][4 * t], source + 128 + 4 * t);
  asm volatile("cp.async.commit_group;\n" ::);
  asm volatile("cp.async.wait_group %0;\n" ::"n"(1));
  __syncthreads();
  check(ok + 0, tile[0][127 - t] == 127 - t);
  asm volatile("cp.async.wait_all;\n" ::: "memory");
  __syncthreads();
  check(ok + 1, tile[1][t] == 128 + t);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<1, 256, 0, stream>>>();
  copies<<<1, 32, 0, stream>>>(ok);
}
