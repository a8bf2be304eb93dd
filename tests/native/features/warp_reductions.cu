// Reductions in one instruction.
#include "checks.h"

constexpr int CHECKS = 6;

__global__ void reductions(int* ok) {
  const unsigned all = 0xffffffffu;
  int lane = threadIdx.x % 32;
  check(ok + 0, __reduce_add_sync(all, lane) == 496);
  check(ok + 1, __reduce_min_sync(all, lane - 20) == -20 && __reduce_min_sync(all, unsigned(lane) + 3) == 3);
  check(ok + 2, __reduce_max_sync(all, lane - 20) == 11);
  check(ok + 3, __reduce_and_sync(all, 0xf0u | unsigned(lane)) == 0xf0u);
  check(ok + 4, __reduce_or_sync(all, 1u << lane) == all);
  check(ok + 5, __reduce_xor_sync(all, unsigned(lane == 7)) == 1u);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reductions<<<1, 64, 0, stream>>>(ok);
}
