// Barriers with separate arrive and wait: cuda::barrier, and the numbered barriers of a block.
#ifndef UPSKILL_CPU_SPLIT_BARRIER_H
#define UPSKILL_CPU_SPLIT_BARRIER_H

#include <cstdint>

extern "C" {
// Lies where the kernel puts it, mostly in shared memory, and has the size of CUDA's. It names the barrier that was
// initialised there last; the runtime keeps the barrier itself.
struct alignas(8) upskill_cpu_split_barrier {
  uint32_t life, expected;
};

void upskill_cpu_split_barrier_init(upskill_cpu_split_barrier* barrier, uint32_t expected);
// `count` arrivals. Returns their phase, to be waited for.
uint32_t upskill_cpu_split_barrier_arrive(upskill_cpu_split_barrier* barrier, uint32_t count, bool drop);
// Whether the phase is over; lets other threads run if not.
bool upskill_cpu_split_barrier_passed(const upskill_cpu_split_barrier* barrier, uint32_t phase);
void upskill_cpu_split_barrier_wait(const upskill_cpu_split_barrier* barrier, uint32_t phase, int line);
// The running phase if it has this parity, otherwise the one before.
uint32_t upskill_cpu_split_barrier_phase_of(const upskill_cpu_split_barrier* barrier, bool parity);

// bar.sync and bar.arrive: barriers 0 to 15 of the block, for `threads` of its threads (0: all).
void upskill_cpu_numbered_barrier(uint32_t number, uint32_t threads, bool wait, int line);

// Waits for all threads of the block's tile of `size` threads, 64 to 1024, and returns the values that they have shown,
// by rank; to be read before the next call.
const uint64_t* upskill_cpu_tile_exchange(uint32_t size, uint64_t value, int line);
}

#endif  // UPSKILL_CPU_SPLIT_BARRIER_H
