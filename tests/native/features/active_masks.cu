// __activemask knows who is there, in a branch and in a warp that is not full.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void active(int* ok) {
  unsigned seen = 0;
  if (threadIdx.x % 3 == 0) seen = __activemask();
  check(ok + 0, seen == (threadIdx.x % 3 == 0 ? 0x249249u : 0u));
  check(ok + 1, __activemask() == 0xffffffu);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  active<<<1, 24, 0, stream>>>(ok);
}
