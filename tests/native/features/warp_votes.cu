// Ballots and votes of a warp.
#include "checks.h"

constexpr int CHECKS = 4;

__global__ void votes(int* ok) {
  int t = threadIdx.x, lane = t % 32;
  check(ok + 0, __ballot_sync(0xffffffffu, lane % 2) == 0xaaaaaaaau);
  check(ok + 1, __any_sync(0xffffffffu, t == 40) == (t >= 32));
  check(ok + 2, __all_sync(0xffffffffu, t != 40) == (t < 32));
  check(ok + 3, __popc(__ballot_sync(0xffffffffu, lane < 5) & ((1u << lane) - 1)) == min(lane, 5));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  votes<<<1, 64, 0, stream>>>(ok);
}
