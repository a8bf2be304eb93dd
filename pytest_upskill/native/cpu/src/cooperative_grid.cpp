#include "cooperative_grid.h"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "block.h"
#include "block_order.h"
#include "fiber.h"
#include "launch_state.h"
#include "memory.h"
#include "ordering.h"
#include "shadow.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/grid.h"

namespace upskill::cpu {

namespace {

// A suspended block.
struct Parked {
  Block block;
  uint3 index;
  std::vector<char> stacks;
  SharedCopy shared;
  BlockKnowledge knowledge;
  bool finished;
};

bool has_stack(const Thread& thread) { return thread.state != State::finished && thread.state != State::fresh; }

// The used part of a stopped thread's stack.
size_t used_stack_bytes(const Thread& thread) {
  return stack_end(thread.stack_pointer) - reinterpret_cast<uintptr_t>(thread.stack_pointer);
}

void put_away(Parked& parked) {
  parked.finished = !block.fibers || block.alive == 0;
  if (parked.finished) return;
  parked.block = block;
  parked.index = blockIdx;
  parked.stacks.clear();
  for (int i = 0; i < block.size; ++i) {
    if (!has_stack(block.threads[i])) continue;
    const auto* begin = static_cast<const char*>(block.threads[i].stack_pointer);
    parked.stacks.insert(parked.stacks.end(), begin, begin + used_stack_bytes(block.threads[i]));
  }
  save_shared_memory(parked.shared);
  parked.knowledge = suspend_knowledge();
}

void put_in_place(const Parked& parked) {
  block = parked.block;
  blockIdx = parked.index;
  const char* next = parked.stacks.data();
  for (int i = 0; i < block.size; ++i) {
    if (!has_stack(block.threads[i])) continue;
    const size_t bytes = used_stack_bytes(block.threads[i]);
    std::memcpy(block.threads[i].stack_pointer, next, bytes);
    next += bytes;
  }
  restore_shared_memory(parked.shared);
}

void go_on(Parked& parked) {
  note_turn(parked.index);
  begin_block(parked.block.size);
  resume_knowledge(std::move(parked.knowledge));
  put_in_place(parked);
  begin_fibers(block.current);
  pass_barrier();
  for (int i = 0; i < block.size; ++i)
    if (block.threads[i].state == State::at_grid_barrier) make_runnable(i);
  resume_block();
  put_away(parked);
}

void report_absent_blocks(const std::vector<std::unique_ptr<Parked>>& blocks, size_t finished) {
  uintptr_t pc = 0;
  int line = 0;
  for (const auto& parked : blocks)
    for (int i = 0; !parked->finished && i < parked->block.size; ++i)
      if (parked->block.threads[i].state == State::at_grid_barrier)
        pc = parked->block.threads[i].pc, line = parked->block.threads[i].line;
  report(Assertion::runs, "deadlock", pc,
         format("deadlock in kernel %s: of %zu blocks, %zu wait at grid.sync() at line %d, and %zu have returned",
                launch.kernel, blocks.size(), blocks.size() - finished, line, finished));
  set_sticky_error(cudaErrorLaunchTimeout);
  launch.aborted = true;
}

// Gives each runnable block one turn; returns false when there is none.
bool run_round(const std::vector<std::unique_ptr<Parked>>& blocks) {
  size_t finished = 0, waiting = 0;
  for (const auto& parked : blocks) {
    finished += parked->finished;
    waiting += !parked->finished && waits_for_grid(parked->block);
  }
  if (finished == blocks.size()) return false;
  const bool all_wait = finished + waiting == blocks.size();
  if (all_wait && finished != 0) {
    report_absent_blocks(blocks, finished);
    return false;
  }
  if (all_wait) {
    forget_turns();
    if (!begin_launch()) forget_dates();  // accesses before the grid barrier precede those after it
  }
  for (const auto& parked : blocks) {
    if (parked->finished || (!all_wait && waits_for_grid(parked->block))) continue;
    go_on(*parked);
    if (launch.aborted) return false;
  }
  return true;
}

}  // namespace

void run_blocks_together(uint64_t count, const std::function<void(uint64_t)>& start) {
  std::vector<std::unique_ptr<Parked>> blocks(count);
  forget_turns();
  for (uint64_t turn = 0; turn < count; ++turn) {
    start(turn);
    if (launch.aborted) return;
    blocks[turn] = std::make_unique<Parked>();
    put_away(*blocks[turn]);
    note_turn(blockIdx);
  }
  while (run_round(blocks)) continue;
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" bool upskill_cpu_grid_is_cooperative() { return launch.cooperative; }

extern "C" void upskill_cpu_grid_barrier(int line) {
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  if (!launch.cooperative)
    abort_launch(cudaErrorLaunchFailure, Assertion::runs, "grid-sync", pc,
                 format("grid.sync() at line %d needs all blocks at once: launch the kernel with "
                        "cudaLaunchCooperativeKernel,%s",
                        line, where().c_str()));
  need_fibers();
  if (store_pending) settle_store();
  block.threads[block.current].line = line;
  block.threads[block.current].pc = pc;
  suspend(State::at_grid_barrier);
}
