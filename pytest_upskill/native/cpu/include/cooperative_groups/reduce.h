// cooperative_groups::reduce: a butterfly within a tile, warp by warp in a tile of several, rank by rank within
// coalesced threads.
#ifndef UPSKILL_CPU_COOPERATIVE_GROUPS_REDUCE_H
#define UPSKILL_CPU_COOPERATIVE_GROUPS_REDUCE_H
#define _COOPERATIVE_GROUPS_REDUCE_H

#include "../cooperative_groups.h"

namespace cooperative_groups {

template <unsigned int Size, class Parent, class T, class Operation>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> reduce(const thread_block_tile<Size, Parent>& tile,
                                                                       T&& value, Operation&& operation,
                                                                       int line = __builtin_LINE()) {
  std::remove_cv_t<std::remove_reference_t<T>> result = value;
  if constexpr (Size > 32) {
    result = reduce(tiled_partition<32>(tile), result, operation, line);
    return tile.reduce_warps(result, operation, line);
  } else {
    for (unsigned int offset = Size / 2; offset > 0; offset /= 2)
      result = operation(result, tile.shfl_xor(result, offset, line));
    return result;
  }
}

template <class T, class Operation>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> reduce(const coalesced_group& group, T&& value,
                                                                       Operation&& operation,
                                                                       int line = __builtin_LINE()) {
  const std::remove_cv_t<std::remove_reference_t<T>> own = value;
  auto result = group.shfl(own, 0, line);
  for (unsigned int rank = 1; rank < group.num_threads(); ++rank)
    result = operation(result, group.shfl(own, static_cast<int>(rank), line));
  return result;
}

}  // namespace cooperative_groups

#endif  // UPSKILL_CPU_COOPERATIVE_GROUPS_REDUCE_H
