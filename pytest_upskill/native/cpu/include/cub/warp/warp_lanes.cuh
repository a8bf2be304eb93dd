// The lanes of a logical warp, for WarpReduce and WarpScan.
#ifndef UPSKILL_CPU_CUB_WARP_LANES_CUH
#define UPSKILL_CPU_CUB_WARP_LANES_CUH

#include "../block_storage.cuh"

namespace cub::detail {

template <int Width>
struct WarpLanes {
  static_assert(Width >= 1 && Width <= 32 && (Width & (Width - 1)) == 0,
                "logical warps whose size is no power of two are not supported here");

  UPSKILL_CPU_INLINE static int lane() { return upskill_cpu_lane() % Width; }
  UPSKILL_CPU_INLINE static unsigned int mask() { return (~0u >> (32 - Width)) << (upskill_cpu_lane() & ~(Width - 1)); }
  // The value of another lane of the logical warp.
  template <class T>
  UPSKILL_CPU_INLINE static T from(const T& value, int lane, ::upskill::cpu::Line line) {
    return cooperative_groups::details::shuffle(mask(), value, (upskill_cpu_lane() & ~(Width - 1)) + lane, line);
  }
};

}  // namespace cub::detail

#endif  // UPSKILL_CPU_CUB_WARP_LANES_CUH
