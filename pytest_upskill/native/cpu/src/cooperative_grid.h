// Cooperative launches: all blocks of a grid are alive at once and can wait for each other.
//
// One block at a time occupies the block's addresses. When all its threads wait for the grid, its state (threads,
// stacks, shared memory) is copied away, and the next block's is copied back to the same addresses.
#pragma once

#include <cstdint>
#include <functional>

namespace upskill::cpu {

// `start(turn)` runs the turn's block until it is finished or suspended.
void run_blocks_together(uint64_t count, const std::function<void(uint64_t)>& start);

}  // namespace upskill::cpu
