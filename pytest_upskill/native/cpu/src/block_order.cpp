#include "block_order.h"

#include <utility>
#include <vector>

#include "launch_state.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

namespace {

uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) std::swap(a %= b, b);
  return a;
}

// The block that runs at a turn. The random order walks with a step that visits every block once.
struct BlockOrder {
  uint64_t count = 0, step = 1, start = 0;

  BlockOrder() = default;
  explicit BlockOrder(uint64_t blocks) : count(blocks) {
    if (configuration.order != Order::random) return;
    start = configuration.seed % count;
    step = configuration.seed / count % count;
    while (step == 0 || greatest_common_divisor(step, count) != 1) ++step;
  }

  uint64_t at(uint64_t turn) const {
    if (configuration.order == Order::reverse) return count - 1 - turn;
    return static_cast<uint64_t>((static_cast<unsigned __int128>(turn) * step + start) % count);
  }
};

BlockOrder block_order;
std::vector<uint3> turns;  // the blocks that have had a turn since the last grid barrier

}  // namespace

uint64_t begin_block_order() {
  block_order = BlockOrder(uint64_t{gridDim.x} * gridDim.y * gridDim.z);
  return block_order.count;
}

uint3 block_at_turn(uint32_t turn) {
  if (launch.cooperative && turn < turns.size()) return turns[turn];
  const uint64_t index = block_order.at(turn), row = gridDim.x, plane = row * gridDim.y;
  return {static_cast<unsigned>(index % row), static_cast<unsigned>(index % plane / row),
          static_cast<unsigned>(index / plane)};
}

void note_turn(uint3 block) { turns.push_back(block); }

void forget_turns() { turns.clear(); }

}  // namespace upskill::cpu
