// The order in which the blocks of a grid run.
#pragma once

#include <cstdint>

#include "vector_types.h"

namespace upskill::cpu {

// Called when a launch begins: assigns a turn to each block of the grid, in the configured order. Returns the number of
// turns.
uint64_t begin_block_order();

// The block that ran at a turn of this launch.
uint3 block_at_turn(uint32_t turn);

// Resumed blocks of a cooperative launch count as new ones, with turns of their own since the last grid barrier.
void note_turn(uint3 block);
void forget_turns();

}  // namespace upskill::cpu
