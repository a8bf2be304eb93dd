// Warp operations of some lanes, while the others go elsewhere.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void parts(int* ok) {
  int lane = threadIdx.x % 32, seen = -1;
  if (lane < 8) {
    seen = __shfl_xor_sync(0xffu, lane, 4);
    __syncwarp(0xff);
  } else if (lane >= 16) {
    seen = __reduce_add_sync(0xffff0000u, 1);
  }
  check(ok + 0, seen == (lane < 8 ? (lane ^ 4) : lane < 16 ? -1 : 16));
  unsigned mask = __ballot_sync(0xffffffffu, lane % 5 == 0);
  int first = -1;
  if (lane % 5 == 0) first = __shfl_sync(mask, lane, 0);
  check(ok + 1, first == (lane % 5 == 0 ? 0 : -1));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  parts<<<1, 32, 0, stream>>>(ok);
}
