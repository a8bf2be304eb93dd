// The operations that the runtime performs for a whole warp at once; shared by the public header and src/warp.cpp.
#ifndef UPSKILL_CPU_WARP_OPERATIONS_H
#define UPSKILL_CPU_WARP_OPERATIONS_H

#include <cstdint>

namespace upskill::cpu {

enum WarpOperation : int {
  warp_sync,
  warp_shuffle,
  warp_shift,  // a shuffle up or down, in which lanes at the edge commonly read a value that is not used
  warp_ballot,
  warp_match_any,
  warp_match_all,
  warp_add,
  warp_min,
  warp_max,
  warp_min_signed,
  warp_max_signed,
  warp_and,
  warp_or,
  warp_xor,
  warp_converge,  // __activemask: whoever is at the same line
};

}  // namespace upskill::cpu

extern "C" {
// `source` is the lane that a shuffle reads. Returns the operation's result for the calling lane.
uint64_t upskill_cpu_warp(int operation, uint32_t mask, uint64_t value, int source, int line);
int upskill_cpu_lane(void);
}

#endif  // UPSKILL_CPU_WARP_OPERATIONS_H
