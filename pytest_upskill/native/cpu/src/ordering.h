// Which accesses of a kernel's threads are ordered: what barriers, warp operations, fences and atomics promise.
//
// One clock counts the synchronisations of the whole process. A thread's clock is that of its last one, and an access
// is dated with it. Whatever a thread did before a barrier has a smaller clock than the barrier (the floor); a warp
// operation gives its lanes a floor of their own; a block's or launch's start is a floor for what came before it.
// Between blocks, and between threads that share no barrier, order comes from a fence followed by an atomic operation
// (release), and an atomic operation on the same object by the other party (acquire). Where the precise rule would need
// more memory than it is worth, this errs on the side of order, so that correct kernels stay silent.
#pragma once

#include <algorithm>
#include <cstdint>

#include "launch_state.h"

namespace upskill::cpu {

// The thread that is running. All clocks of one launch are at least launch_start, of one block at least block_start.
struct Self {
  uint32_t clock = 0;
  uint32_t thread = 0;
  uint32_t floor = 0;  // of the block's last barrier
  uint32_t block_start = 0;
  uint32_t launch_start = 0;
  bool fresh_fence = false;  // nothing was written since this thread's last fence
};

extern Self self;

// A clock that is newer than every access so far, and older than every later one.
uint32_t advance_clock();

// Called by the parts that run blocks. begin_launch returns false when the clock was reset: old dates mean nothing
// then.
bool begin_launch();
void begin_block(int threads);
void begin_fibers(int current);  // until then, threads run one after another

extern uint32_t clocks[max_threads];  // of each thread's last synchronisation but barriers

// In line, since every switch between threads takes this way.
inline void select_thread(int thread, bool fibers) {
  self.thread = static_cast<uint32_t>(thread);
  self.clock = fibers ? std::max(clocks[thread], self.floor) : self.block_start;
  self.fresh_fence = false;
}

void pass_barrier();
void pass_warp_call(int warp, uint32_t lanes, bool all_alive);

// What the running thread does. An object is the address of a lock, a counter, a flag.
void fence(bool device_wide);
void acquire(uintptr_t object);
void release(uintptr_t object);

// Whether an access of this launch, dated `clock` by `thread` of its block, comes before what the running thread does.
bool is_ordered(uint32_t clock, int thread);

// In which turn the block ran that dated something so; the running block's is the last.
uint32_t turn_of(uint32_t clock);

}  // namespace upskill::cpu
