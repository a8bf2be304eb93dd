// Cooperative launches: all blocks of a grid are alive at once, and can wait for each other.
//
// One block at a time is in place. When its threads all wait for the grid, what it consists of (its threads, their
// stacks, its shared memory) is copied away, and the next block's is copied back to the same addresses.
#pragma once

#include <cstdint>
#include <functional>

namespace upskill::cpu {

// `start(turn)` runs the turn's block until it is finished or parked.
void run_blocks_together(uint64_t count, const std::function<void(uint64_t)>& start);

}  // namespace upskill::cpu
