// Cooperative launches: all blocks of a grid are alive at once, and can wait for each other.
//
// One block at a time is in place. When its threads all wait for the grid, what it consists of (its threads, their
// stacks, its shared memory) is copied away, and the next block's is copied back to the same addresses.
#pragma once

#include <cstdint>
#include <functional>

#include "vector_types.h"

namespace upskill::cpu {

// Whether the launch that begins was asked for by cudaLaunchCooperativeKernel.
bool take_cooperative_request();

// `start(turn)` runs the turn's block until it is finished or parked.
void run_blocks_together(uint64_t count, const std::function<void(uint64_t)>& start);

// Blocks that go on count as new ones, with turns of their own.
bool is_resumed(uint32_t turn);
uint3 resumed_block(uint32_t turn);

// Called when no thread of the block can run: parks the block if all of them wait for the grid. Returns whether they
// did.
bool wait_for_grid();

// Called whenever a thread polls: after many polls the other blocks get their turn.
void let_other_blocks_run();

}  // namespace upskill::cpu
