// Reductions of tiles and of coalesced threads.
#include "checks.h"

#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

constexpr int CHECKS = 3;

namespace cg = cooperative_groups;
__global__ void reductions(int* ok) {
  auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  check(ok + 0, cg::reduce(tile, tile.thread_rank(), cg::plus<unsigned>()) == 28);
  check(ok + 1, cg::reduce(tile, 1.5f * tile.thread_rank(), cg::greater<float>()) == 10.5f);
  int least = -1;
  if (threadIdx.x >= 20) least = cg::reduce(cg::coalesced_threads(), int(threadIdx.x), cg::less<int>());
  check(ok + 2, least == (threadIdx.x >= 20 ? 20 : -1));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reductions<<<1, 32, 0, stream>>>(ok);
}
