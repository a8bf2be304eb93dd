// Warp shuffles, votes, matches and reductions, with CUDA's overloads and no others.
#ifndef UPSKILL_CPU_WARP_H
#define UPSKILL_CPU_WARP_H

#include <cstring>

#include "keywords.h"
#include "warp_operations.h"

namespace upskill::cpu {

template <class T>
UPSKILL_CPU_INLINE uint64_t to_word(T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t word = 0;
  __builtin_memcpy(&word, &value, sizeof value);
  return word;
}

template <class T>
UPSKILL_CPU_INLINE T from_word(uint64_t word) {
  T value;
  __builtin_memcpy(static_cast<void*>(&value), &word, sizeof value);
  return value;
}

// Which lane each shuffle reads, for segments of `width` lanes. Outside its segment a lane reads itself.
UPSKILL_CPU_INLINE int indexed_lane(int source, int width) {
  return (upskill_cpu_lane() & ~(width - 1)) | (source & (width - 1));
}
UPSKILL_CPU_INLINE int lane_above(unsigned int delta, int width) {
  int lane = upskill_cpu_lane();
  return (lane & (width - 1)) + static_cast<long long>(delta) < width ? lane + static_cast<int>(delta) : lane;
}
UPSKILL_CPU_INLINE int lane_below(unsigned int delta, int width) {
  int lane = upskill_cpu_lane();
  return static_cast<unsigned int>(lane & (width - 1)) >= delta ? lane - static_cast<int>(delta) : lane;
}
UPSKILL_CPU_INLINE int lane_across(int lane_mask, int width) {
  int lane = upskill_cpu_lane(), source = lane ^ lane_mask;
  return (source & ~(width - 1)) > (lane & ~(width - 1)) ? lane : source & 31;
}

template <class T>
UPSKILL_CPU_INLINE T shuffle(unsigned int mask, T value, int source, int line, int operation = warp_shuffle) {
  return from_word<T>(upskill_cpu_warp(operation, mask, to_word(value), source, line));
}

}  // namespace upskill::cpu

#define UPSKILL_CPU_SHUFFLES(T)                                                                         \
  UPSKILL_CPU_INLINE T __shfl_sync(unsigned int mask, T value, int source, int width = 32,              \
                                   int line = __builtin_LINE()) {                                       \
    return ::upskill::cpu::shuffle(mask, value, ::upskill::cpu::indexed_lane(source, width), line);     \
  }                                                                                                     \
  UPSKILL_CPU_INLINE T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32,   \
                                      int line = __builtin_LINE()) {                                    \
    return ::upskill::cpu::shuffle(mask, value, ::upskill::cpu::lane_below(delta, width), line,         \
                                   ::upskill::cpu::warp_shift);                                         \
  }                                                                                                     \
  UPSKILL_CPU_INLINE T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32, \
                                        int line = __builtin_LINE()) {                                  \
    return ::upskill::cpu::shuffle(mask, value, ::upskill::cpu::lane_above(delta, width), line,         \
                                   ::upskill::cpu::warp_shift);                                         \
  }                                                                                                     \
  UPSKILL_CPU_INLINE T __shfl_xor_sync(unsigned int mask, T value, int lane_mask, int width = 32,       \
                                       int line = __builtin_LINE()) {                                   \
    return ::upskill::cpu::shuffle(mask, value, ::upskill::cpu::lane_across(lane_mask, width), line);   \
  }

UPSKILL_CPU_SHUFFLES(int)
UPSKILL_CPU_SHUFFLES(unsigned int)
UPSKILL_CPU_SHUFFLES(long)
UPSKILL_CPU_SHUFFLES(unsigned long)
UPSKILL_CPU_SHUFFLES(long long)
UPSKILL_CPU_SHUFFLES(unsigned long long)
UPSKILL_CPU_SHUFFLES(float)
UPSKILL_CPU_SHUFFLES(double)

UPSKILL_CPU_INLINE void __syncwarp(unsigned int mask = 0xffffffffu, int line = __builtin_LINE()) {
  upskill_cpu_warp(::upskill::cpu::warp_sync, mask, 0, 0, line);
}
UPSKILL_CPU_INLINE unsigned int __activemask(int line = __builtin_LINE()) {
  return static_cast<unsigned int>(upskill_cpu_warp(::upskill::cpu::warp_converge, 0, 0, 0, line));
}
UPSKILL_CPU_INLINE unsigned int __ballot_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
  return static_cast<unsigned int>(upskill_cpu_warp(::upskill::cpu::warp_ballot, mask, predicate != 0, 0, line));
}
UPSKILL_CPU_INLINE int __any_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
  return __ballot_sync(mask, predicate, line) != 0;
}
UPSKILL_CPU_INLINE int __all_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
  return __ballot_sync(mask, !predicate, line) == 0;
}
UPSKILL_CPU_INLINE int __uni_sync(unsigned int mask, int predicate, int line = __builtin_LINE()) {
  unsigned int votes = __ballot_sync(mask, predicate, line);
  return votes == 0 || votes == (mask & __ballot_sync(mask, 1, line));
}

#define UPSKILL_CPU_MATCHES(T)                                                                                \
  UPSKILL_CPU_INLINE unsigned int __match_any_sync(unsigned int mask, T value, int line = __builtin_LINE()) { \
    return static_cast<unsigned int>(                                                                         \
        upskill_cpu_warp(::upskill::cpu::warp_match_any, mask, ::upskill::cpu::to_word(value), 0, line));     \
  }                                                                                                           \
  UPSKILL_CPU_INLINE unsigned int __match_all_sync(unsigned int mask, T value, int* all,                      \
                                                   int line = __builtin_LINE()) {                             \
    auto same = static_cast<unsigned int>(                                                                    \
        upskill_cpu_warp(::upskill::cpu::warp_match_all, mask, ::upskill::cpu::to_word(value), 0, line));     \
    *all = same != 0;                                                                                         \
    return same;                                                                                              \
  }

UPSKILL_CPU_MATCHES(int)
UPSKILL_CPU_MATCHES(unsigned int)
UPSKILL_CPU_MATCHES(long)
UPSKILL_CPU_MATCHES(unsigned long)
UPSKILL_CPU_MATCHES(long long)
UPSKILL_CPU_MATCHES(unsigned long long)
UPSKILL_CPU_MATCHES(float)
UPSKILL_CPU_MATCHES(double)
#undef UPSKILL_CPU_MATCHES

#define UPSKILL_CPU_REDUCE(name, T, operation)                                                         \
  UPSKILL_CPU_INLINE T name(unsigned int mask, T value, int line = __builtin_LINE()) {                 \
    return static_cast<T>(                                                                             \
        upskill_cpu_warp(::upskill::cpu::operation, mask, static_cast<unsigned int>(value), 0, line)); \
  }

UPSKILL_CPU_REDUCE(__reduce_add_sync, unsigned int, warp_add)
UPSKILL_CPU_REDUCE(__reduce_add_sync, int, warp_add)
UPSKILL_CPU_REDUCE(__reduce_min_sync, unsigned int, warp_min)
UPSKILL_CPU_REDUCE(__reduce_min_sync, int, warp_min_signed)
UPSKILL_CPU_REDUCE(__reduce_max_sync, unsigned int, warp_max)
UPSKILL_CPU_REDUCE(__reduce_max_sync, int, warp_max_signed)
UPSKILL_CPU_REDUCE(__reduce_and_sync, unsigned int, warp_and)
UPSKILL_CPU_REDUCE(__reduce_or_sync, unsigned int, warp_or)
UPSKILL_CPU_REDUCE(__reduce_xor_sync, unsigned int, warp_xor)
#undef UPSKILL_CPU_REDUCE

#endif  // UPSKILL_CPU_WARP_H
