// The threads of a warp that are together form a group.
#include "checks.h"

#include <cooperative_groups.h>

constexpr int CHECKS = 2;

namespace cg = cooperative_groups;
__global__ void together(int* ok) {
  int rank = -1, sum = -1;
  if (threadIdx.x % 2) {
    cg::coalesced_group active = cg::coalesced_threads();
    rank = active.thread_rank();
    sum = active.shfl(int(threadIdx.x), 0) + active.size();
    active.sync();
  }
  check(ok + 0, rank == (threadIdx.x % 2 ? int(threadIdx.x / 2) : -1));
  check(ok + 1, sum == (threadIdx.x % 2 ? 17 : -1));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  together<<<1, 32, 0, stream>>>(ok);
}
