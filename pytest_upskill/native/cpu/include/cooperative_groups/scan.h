// cooperative_groups::inclusive_scan and exclusive_scan over the ranks of a tile or of coalesced threads.
#ifndef UPSKILL_CPU_COOPERATIVE_GROUPS_SCAN_H
#define UPSKILL_CPU_COOPERATIVE_GROUPS_SCAN_H
#define _COOPERATIVE_GROUPS_SCAN_H

#include "../cooperative_groups.h"

namespace cooperative_groups {

template <class Group, class T, class Operation>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> inclusive_scan(const Group& group, T&& value,
                                                                               Operation&& operation,
                                                                               int line = __builtin_LINE()) {
  std::remove_cv_t<std::remove_reference_t<T>> result = value;
  if constexpr (details::has_several_warps<Group>) {
    const auto warp = tiled_partition<32>(group);
    result = inclusive_scan(warp, result, operation, line);
    const auto before = group.reduce_warps(warp.shfl(result, 31, line), operation, line, group.thread_rank() / 32);
    return group.thread_rank() < 32 ? result : operation(before, result);
  } else {
    for (unsigned int offset = 1; offset < group.num_threads(); offset *= 2) {
      const auto before = group.shfl_up(result, offset, line);
      if (group.thread_rank() >= offset) result = operation(before, result);
    }
    return result;
  }
}
template <class Group, class T>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> inclusive_scan(const Group& group, T&& value,
                                                                               int line = __builtin_LINE()) {
  return inclusive_scan(group, value, plus<>(), line);
}

// The first rank gets T{}.
template <class Group, class T, class Operation>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> exclusive_scan(const Group& group, T&& value,
                                                                               Operation&& operation,
                                                                               int line = __builtin_LINE()) {
  std::remove_cv_t<std::remove_reference_t<T>> before = inclusive_scan(group, value, operation, line);
  if constexpr (details::has_several_warps<Group>)
    before = group.shfl(before, group.thread_rank() - 1, line);
  else
    before = group.shfl_up(before, 1, line);
  return group.thread_rank() == 0 ? std::remove_cv_t<std::remove_reference_t<T>>{} : before;
}
template <class Group, class T>
UPSKILL_CPU_INLINE std::remove_cv_t<std::remove_reference_t<T>> exclusive_scan(const Group& group, T&& value,
                                                                               int line = __builtin_LINE()) {
  return exclusive_scan(group, value, plus<>(), line);
}

}  // namespace cooperative_groups

#endif  // UPSKILL_CPU_COOPERATIVE_GROUPS_SCAN_H
