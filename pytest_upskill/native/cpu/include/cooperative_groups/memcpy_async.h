// cooperative_groups::memcpy_async, wait and wait_prior.
#ifndef UPSKILL_CPU_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#define UPSKILL_CPU_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#define _COOPERATIVE_GROUPS_MEMCPY_ASYNC

#include "../cooperative_groups.h"
#include "../cuda/aligned_size"
#include "../upskill_cpu/group_copy.h"

namespace cooperative_groups {

// `shape` is a size in bytes, or a cuda::aligned_size_t.
template <class Group, class Target, class Source, class Shape>
UPSKILL_CPU_INLINE void memcpy_async(const Group& group, Target* target, const Source* source, const Shape& shape) {
  ::upskill::cpu::copy_share(target, source, static_cast<size_t>(shape), group.thread_rank(), group.num_threads());
  upskill_cpu_async_commit();
}

template <class Group>
UPSKILL_CPU_INLINE void wait(const Group& group, int line = __builtin_LINE()) {
  upskill_cpu_async_wait(0);
  group.sync(line);
}
template <unsigned int Pending, class Group>
UPSKILL_CPU_INLINE void wait_prior(const Group& group, int line = __builtin_LINE()) {
  upskill_cpu_async_wait(static_cast<int>(Pending));
  group.sync(line);
}

}  // namespace cooperative_groups

#endif  // UPSKILL_CPU_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
