// Which block of a grid runs at which turn.
#pragma once

#include <cstdint>

#include "vector_types.h"

namespace upskill::cpu {

// Called when a launch begins: a turn for each block of the grid, in the order that is configured. Returns their
// number.
uint64_t begin_block_order();

// The block that ran in a turn of this launch.
uint3 block_at_turn(uint32_t turn);

// Blocks of a cooperative launch that go on count as new ones, with turns of their own, since the grid last met.
void note_turn(uint3 block);
void forget_turns();

}  // namespace upskill::cpu
