// A group falls apart by a label, or by a predicate.
#include "checks.h"

#include <cooperative_groups.h>

constexpr int CHECKS = 2;

namespace cg = cooperative_groups;
__global__ void parts(int* ok) {
  auto tile = cg::tiled_partition<32>(cg::this_thread_block());
  int label = tile.thread_rank() % 3;
  auto same = cg::labeled_partition(tile, label);
  check(ok + 0, same.size() == (label == 2 ? 10 : 11) && same.thread_rank() == tile.thread_rank() / 3);
  auto half = cg::binary_partition(tile, tile.thread_rank() < 20);
  check(ok + 1, half.size() == (tile.thread_rank() < 20 ? 20 : 12));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  parts<<<1, 32, 0, stream>>>(ok);
}
