// Inline PTX: special registers.
#include "checks.h"

constexpr int CHECKS = 2;

__device__ unsigned lane_id() {
  unsigned lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}
__global__ void registers(int* ok) {
  check(ok + 0, lane_id() == threadIdx.x % 32);
  unsigned thread, block, threads, below;
  asm("mov.u32 %0, %%tid.x;\n\tmov.u32 %1, %%ctaid.x;" : "=r"(thread), "=r"(block));
  asm("mov.u32 %0, %%ntid.x;" : "=r"(threads));
  asm("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
  check(ok + 1, thread == threadIdx.x && block == blockIdx.x && threads == 64 && below == (1u << lane_id()) - 1);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  registers<<<1, 64, 0, stream>>>(ok);
}
