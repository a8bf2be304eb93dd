// Inline PTX: fences, and loads and stores that say when they may be seen.
#include "checks.h"

constexpr int CHECKS = 1;

__device__ int data, flag;
__global__ void reset() { data = flag = 0; }
__global__ void handed_over(int* ok) {
  if (threadIdx.x == 0) {
    data = 42;
    asm volatile("membar.gl;" ::: "memory");
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(&flag), "r"(1) : "memory");
  }
  int seen = 0;
  if (threadIdx.x == 40) {
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(&flag) : "memory");
    } while (seen == 0);
    seen = data;
  }
  check(ok, threadIdx.x != 40 || seen == 42);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reset<<<1, 1, 0, stream>>>();
  handed_over<<<1, 64, 0, stream>>>(ok);
}
