// Tiles of a block, tiles of tiles, and what they know.
#include "checks.h"

#include <cooperative_groups.h>

constexpr int CHECKS = 4;

namespace cg = cooperative_groups;
__device__ int sum_of(const cg::thread_block_tile<4>& tile, int x) {
  for (int offset = tile.size() / 2; offset > 0; offset /= 2) x += tile.shfl_xor(x, offset);
  return x;
}
__global__ void tiles(int* ok) {
  cg::thread_block block = cg::this_thread_block();
  auto warp = cg::tiled_partition<32>(block);
  auto four = cg::tiled_partition<4>(warp);
  check(ok + 0, warp.meta_group_rank() == block.thread_rank() / 32 && warp.meta_group_size() == 2);
  check(ok + 1, four.thread_rank() == block.thread_rank() % 4 && four.meta_group_size() == 8);
  check(ok + 2, sum_of(four, block.thread_rank()) == 4 * (int(block.thread_rank()) & ~3) + 6);
  check(ok + 3, four.ballot(four.thread_rank() == 1) == 2 && four.any(four.thread_rank() == 3) && !four.all(false));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  tiles<<<1, 64, 0, stream>>>(ok);
}
