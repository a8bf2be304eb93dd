// The order of accesses by a kernel's threads, as established by barriers, warp operations, fences and atomics.
//
// One clock counts the synchronisations of the whole process. A thread's clock is that of its last one, and an access
// is stamped with it. Everything a thread did before a barrier has a smaller clock than the barrier (the floor); a warp
// operation gives its lanes a floor of their own; the start of a block or launch is a floor for everything before it.
// Between blocks, and between threads that share no barrier, order comes from a fence followed by an atomic operation
// (release), and an atomic operation on the same object by the other side (acquire); and from split barriers, at which
// some threads arrive and others wait (see knowledge.h). Where the precise rule would cost too much memory, this
// assumes that accesses are ordered, so that correct kernels are never reported.
#pragma once

#include <algorithm>
#include <cstdint>

#include "knowledge.h"
#include "launch_state.h"

namespace upskill::cpu {

// The thread that is running. All clocks of one launch are at least launch_start, of one block at least block_start.
struct Self {
  uint32_t clock = 0;
  uint32_t thread = 0;
  uint32_t floor = 0;  // of the block's last barrier
  uint32_t block_start = 0;
  uint32_t clocks_before_barrier = 0;  // those from block_start to floor; 0 while a store is pending, see shadow.h
  uint32_t launch_start = 0;
  bool fresh_fence = false;  // nothing was written since this thread's last fence
};

// Hidden visibility, so that the fast path of every access loads it directly.
[[gnu::visibility("hidden")]] extern Self self;

// A clock that is newer than every access so far, and older than every later one.
uint32_t advance_clock();

// Called by the code that runs blocks. begin_launch returns false when the clock was reset: old stamps are meaningless
// then.
bool begin_launch();
// Frees what the launch noted, so that memory that grows from call to call is the launcher's (kept_memory.h).
void end_launch();
void begin_block(int threads);
void begin_fibers(int current);  // until then, threads run one after another

extern uint32_t clocks[max_threads];  // of each thread's last synchronisation but barriers

// Inline, since every switch between threads calls it.
inline void select_thread(int thread, bool fibers) {
  self.thread = static_cast<uint32_t>(thread);
  self.clock = fibers ? std::max(clocks[thread], self.floor) : self.block_start;
  self.fresh_fence = false;
}

void pass_barrier();
void pass_warp_call(int warp, uint32_t lanes, bool all_alive);

// Synchronisation by the running thread. An object is the address of a lock, a counter or a flag; those in shared
// memory belong to the block.
void fence(bool device_wide);
void acquire(uintptr_t object, bool shared);
void release(uintptr_t object, bool shared);

// Split barriers: adds what the running thread did to a phase, and makes known to it what a phase has gathered.
void join_phase(Phase& phase, Knowledge& known, bool shared);
void pass_phase(uint32_t barrier, const std::shared_ptr<const Phase>& phase, const Knowledge& known);

// A block that is suspended takes along what it knows, and its objects in shared memory.
struct BlockKnowledge {
  uint32_t launch_start = 0, turn = 0;
  Knowledge known{};
  std::unordered_map<uintptr_t, Object*> objects{};
};
BlockKnowledge suspend_knowledge();
void resume_knowledge(BlockKnowledge knowledge);

// Whether an access of this launch, stamped `clock` by `thread` of its block, is ordered before the running thread's
// next access.
bool is_ordered(uint32_t clock, int thread);

// The turn of the block that recorded the stamp; the running block's is the last.
uint32_t turn_of(uint32_t clock);

}  // namespace upskill::cpu
