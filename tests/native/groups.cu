// Cooperative groups. a[0]: ints, one for each check, 1 if it held for all threads of the block.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

template <int Size>
__device__ int tile_sum(const cg::thread_block_tile<Size>& tile, int value) {
  for (int i = tile.size() / 2; i > 0; i /= 2) value += tile.shfl_xor(value, i);
  return value;
}

__global__ void groups(int* ok) {
  cg::thread_block block = cg::this_thread_block();
  int t = block.thread_rank();
  auto warp = cg::tiled_partition<32>(block);
  auto tile = cg::tiled_partition<8>(block);
  auto nested = cg::tiled_partition<4>(warp);
  check(ok++, block.size() == 64 && block.group_index().x == blockIdx.x && t == (int)threadIdx.x);
  check(ok++,
        (int)warp.thread_rank() == t % 32 && (int)warp.meta_group_rank() == t / 32 && warp.meta_group_size() == 2);
  check(ok++, (int)tile.thread_rank() == t % 8 && (int)tile.meta_group_rank() == t / 8 && tile.num_threads() == 8);
  check(ok++, (int)nested.meta_group_rank() == t % 32 / 4 && nested.meta_group_size() == 8);
  check(ok++, tile.shfl(t, 3) == t / 8 * 8 + 3 && tile.shfl_down(t, 2) == (t % 8 < 6 ? t + 2 : t));
  check(ok++, tile.shfl_up(t, 1) == (t % 8 ? t - 1 : t) && nested.shfl_xor(t, 1) == (t ^ 1));
  check(ok++, cg::reduce(warp, t, cg::plus<int>()) == (t < 32 ? 496 : 1520));
  check(ok++, cg::reduce(tile, (float)t, cg::greater<float>()) == t / 8 * 8 + 7);
  check(ok++, cg::reduce(nested, t, cg::less<int>()) == t / 4 * 4);
  check(ok++, cg::reduce(tile, t, [](int a, int b) { return a > b ? a : b; }) == t / 8 * 8 + 7);
  check(ok++, tile_sum<32>(cg::tiled_partition<32>(block), 1) == 32);
  check(ok++, tile.any(t == 9) == (t / 8 == 1) && tile.all(t < 8) == (t < 8) && tile.ballot(t % 8 == 2) == 4);
  int rank = -1, size = -1;
  if (t % 3 == 0) {
    cg::coalesced_group active = cg::coalesced_threads();
    rank = active.thread_rank(), size = active.size();
    active.sync();
  }
  int first = t < 32 ? 0 : 33;  // of the warp's threads with t % 3 == 0
  check(ok++, t % 3 != 0 ? rank == -1 : rank == (t - first) / 3 && size == 11);
  auto grid = cg::this_grid();
  check(ok++, (int)grid.thread_rank() == t + (int)blockIdx.x * 64 && grid.size() == 128);
  cg::thread_group some = cg::tiled_partition(block, 16);
  check(ok++, some.size() == 16 && (int)some.thread_rank() == t % 16 && cg::thread_group(block).size() == 64);
  some.sync();
  auto half = cg::tiled_partition<64>(block);
  check(ok++, half.size() == 64 && (int)half.thread_rank() == t && half.meta_group_rank() == 0);
  half.sync();
  cg::sync(block);
  warp.sync();
  tile.sync();
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  groups<<<2, 64, 0, stream>>>(static_cast<int*>(a[0]));
}
