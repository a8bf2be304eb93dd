// Barriers with separate arrive and wait: cuda::barrier, and the numbered barriers of a block.
#ifndef UPSKILL_CPU_SPLIT_BARRIER_H
#define UPSKILL_CPU_SPLIT_BARRIER_H

#include <cstdint>

extern "C" {
// Lies where the kernel puts it, mostly in shared memory; the kernel itself never reads it.
struct upskill_cpu_split_barrier {
  uint32_t expected, pending, phase, dropped;
};

void upskill_cpu_split_barrier_init(upskill_cpu_split_barrier* barrier, uint32_t expected);
// `count` arrivals. Returns their phase, to be waited for.
uint32_t upskill_cpu_split_barrier_arrive(upskill_cpu_split_barrier* barrier, uint32_t count, bool drop);
bool upskill_cpu_split_barrier_passed(upskill_cpu_split_barrier* barrier, uint32_t phase);
uint32_t upskill_cpu_split_barrier_phase(const upskill_cpu_split_barrier* barrier);
void upskill_cpu_split_barrier_wait(upskill_cpu_split_barrier* barrier, uint32_t phase, int line);

// bar.sync and bar.arrive: barriers 0 to 15 of the block, for `threads` of its threads (0: all).
void upskill_cpu_numbered_barrier(uint32_t number, uint32_t threads, bool wait, int line);
}

#endif  // UPSKILL_CPU_SPLIT_BARRIER_H
