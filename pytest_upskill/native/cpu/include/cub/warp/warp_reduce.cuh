// cub::WarpReduce: a tree over the lanes; the result is the first lane's.
#ifndef UPSKILL_CPU_CUB_WARP_REDUCE_CUH
#define UPSKILL_CPU_CUB_WARP_REDUCE_CUH

#include "warp_lanes.cuh"

namespace cub {

template <class T, int Width = 32, int Architecture = 0>
class WarpReduce {
  using Lanes = detail::WarpLanes<Width>;

 public:
  using TempStorage = detail::NoStorage;

  UPSKILL_CPU_INLINE explicit WarpReduce(TempStorage&) {}

  template <class Operation>
  UPSKILL_CPU_INLINE T Reduce(T value, Operation operation, int valid = Width, UPSKILL_CPU_LINE) {
    const int lane = Lanes::lane();
    for (int offset = 1; offset < Width; offset *= 2) {
      const bool inside = lane + offset < valid;
      const T other = Lanes::from(value, inside ? lane + offset : lane, line);
      if (inside && lane % (2 * offset) == 0) value = operation(value, other);
    }
    return value;
  }
  UPSKILL_CPU_INLINE T Sum(T value, int valid = Width, UPSKILL_CPU_LINE) {
    return Reduce(value, detail::Add(), valid, line);
  }
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_WARP_REDUCE_CUH
