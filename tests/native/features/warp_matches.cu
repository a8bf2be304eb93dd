// Lanes that hold the same value find each other.
#include "checks.h"

constexpr int CHECKS = 4;

__global__ void matches(int* ok) {
  int lane = threadIdx.x % 32, same = 9;
  check(ok + 0, __match_any_sync(0xffffffffu, lane % 4) == 0x11111111u << lane % 4);
  check(ok + 1, __match_any_sync(0xffffffffu, 2.5 * (lane / 16)) == (lane < 16 ? 0xffffu : 0xffff0000u));
  check(ok + 2, __match_all_sync(0xffffffffu, 7ll << 40, &same) == 0xffffffffu && same == 1);
  check(ok + 3, __match_all_sync(0xffffffffu, lane, &same) == 0 && same == 0);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  matches<<<1, 32, 0, stream>>>(ok);
}
