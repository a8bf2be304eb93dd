// The threads of one block: which one runs, and what each waits for. One block exists at a time.
//
// A block starts as a plain loop over its threads, on one stack. The first thread that must wait for another (at a
// barrier or a warp operation) turns the rest into fibers. Most kernels without barriers never need them.
#pragma once

#include <cstdint>

#include "launch_state.h"
#include "vector_types.h"

namespace upskill::cpu {

enum class State : uint8_t { fresh, runnable, at_barrier, at_grid_barrier, in_warp_call, converging, finished };

struct WarpCall {
  int operation;
  uint32_t mask;
  uint64_t value;
  int source;
  int line;
};

struct Thread {
  void* stack_pointer;
  WarpCall call;
  uint64_t result;
  uintptr_t pc;  // where it waits
  int line;
  State state;
};

struct Warp {
  uint32_t alive;      // lanes that exist and have not returned
  uint32_t waiting;    // lanes in a warp call
  uint32_t attending;  // those alive at the last barrier
};

struct Barrier {
  int line;
  uintptr_t pc;
  int arrived;
  int holding;     // arrivals with a true predicate
  int attendance;  // arrivals at the previous barrier
  bool mixed;      // arrivals at different lines
  int generation;
  struct {
    int holding;
    bool all;
  } results[2];  // of the last two generations: a slow thread may still read the older one
};

constexpr int numbered_barriers = 48;  // 16 of PTX, and those of tiles of several warps

struct Block {
  Thread threads[max_threads];
  Warp warps[max_threads / warp_size];
  uint3 indices[max_threads];       // threadIdx of each thread
  uint16_t thread_at[max_threads];  // the order in which threads get their turn, and its inverse
  uint16_t position_of[max_threads];
  uint32_t runnable[max_threads / warp_size];  // bits by position
  Barrier barrier;
  uint32_t numbered[numbered_barriers];  // 0, or the one that the block uses under this number, see split_barrier.cpp
  bool whole_block_barriers;             // whether some of them are for all threads
  int size, alive, current;
  bool fibers;
};

extern Block block;

// Called once per launch, and once per block; run_block returns when all threads have returned, or on an abort.
void shape_block(dim3 shape);
void run_block();

// Continues a block that was suspended with unfinished threads (see cooperative_grid.h), some of which are runnable
// now.
void resume_block();

// From within a thread.
void need_fibers();
void make_runnable(int thread);
void suspend(State why);
void yield();
[[noreturn]] void leave_block();

// Whether the whole block waits for the grid; otherwise some of its threads poll.
bool waits_for_grid(const Block& block);

// Ends the launch from within a kernel's thread, as a fault does on a GPU: with a report and a sticky error.
[[noreturn]] void abort_launch(cudaError_t error, Assertion assertion, const char* kind, uintptr_t pc,
                               const std::string& message);

// In warp.cpp: completes calls that waited for a lane which has returned, and __activemask once nothing else is
// runnable.
void settle_warp_calls(int warp);
bool converge();

// In split_barrier.cpp: barriers in shared memory end with their block; a thread that returns leaves the numbered
// barriers that are for all threads.
void forget_shared_barriers();
void leave_numbered_barriers();

// In async_copy.cpp: drops the copies of the launch that no thread has waited for.
void drop_async_copies();

inline int lane_of(int thread) { return thread % warp_size; }
inline int warp_of(int thread) { return thread / warp_size; }

}  // namespace upskill::cpu
