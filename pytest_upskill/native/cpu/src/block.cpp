#include "block.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "fiber.h"
#include "ordering.h"
#include "shadow.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

Block block;

namespace {

void* main_stack_pointer;
int polls = 0;  // since the block had its turn, in a cooperative launch

#define ALWAYS_INLINE inline __attribute__((always_inline))

void enter(int thread) {
  block.current = thread;
  select_thread(thread, block.fibers);
  threadIdx = block.indices[thread];
}

void clear_runnable(int thread) {
  const int position = block.position_of[thread];
  block.runnable[position / 32] &= ~(1u << position % 32);
}

// The next thread in turn after the current one, or -1.
ALWAYS_INLINE int next_runnable() {
  const int position = block.position_of[block.current], words = (block.size + 31) / 32;
  const int word = position / 32, bit = position % 32;
  const uint32_t later = bit == 31 ? 0 : block.runnable[word] & ~0u << (bit + 1);
  if (later != 0) return block.thread_at[word * 32 + __builtin_ctz(later)];
  for (int i = 1; i <= words; ++i) {
    const int other = (word + i) % words;
    if (block.runnable[other] != 0) return block.thread_at[other * 32 + __builtin_ctz(block.runnable[other])];
  }
  return -1;
}

// Threads have returned since the barrier before. Whole warps may; where lanes of one warp do, while others go on, the
// barrier is nearly always in a branch by mistake.
void check_absence() {
  const Barrier& barrier = block.barrier;
  const int warps = (block.size + warp_size - 1) / warp_size;
  const bool parted = std::any_of(block.warps, block.warps + warps, [](const Warp& warp) {
    return warp.alive != 0 && (warp.attending & ~warp.alive) != 0;
  });
  if (parted)
    report(Assertion::runs, "barrier-divergence", barrier.pc,
           format("__syncthreads was reached by %d of the %d threads that met at the barrier before; the others have "
                  "returned, and are of the same warps, in kernel %s, block (%u,%u,%u)",
                  barrier.arrived, barrier.attendance, launch.kernel, blockIdx.x, blockIdx.y, blockIdx.z));
}

__attribute__((noinline)) void complete_barrier() {
  Barrier& barrier = block.barrier;
  if (barrier.arrived < barrier.attendance) check_absence();
  if (barrier.arrived != barrier.attendance)
    for (Warp& warp : block.warps) warp.attending = warp.alive;
  barrier.attendance = barrier.arrived;
  auto& result = barrier.results[barrier.generation++ % 2];
  result.holding = barrier.holding;
  result.all = barrier.holding == barrier.arrived;
  barrier.arrived = barrier.holding = 0;
  barrier.mixed = false;
  pass_barrier();
  for (int i = 0; i < block.size; ++i)
    if (block.threads[i].state == State::at_barrier) make_runnable(i);
}

std::string describe_waiting() {
  std::map<std::string, int> groups;
  for (int i = 0; i < block.size; ++i) {
    const Thread& thread = block.threads[i];
    if (thread.state == State::finished)
      groups["have returned"]++;
    else
      groups[format("wait %s at line %d",
                    thread.state == State::at_barrier        ? "at __syncthreads"
                    : thread.state == State::at_grid_barrier ? "at grid.sync()"
                                                             : "in a warp operation",
                    thread.line)]++;
  }
  std::string text;
  for (const auto& [what, count] : groups) text += format("%s%d %s", text.empty() ? "" : ", ", count, what.c_str());
  return text;
}

[[noreturn]] void deadlock() {
  uintptr_t pc = 0;
  for (int i = 0; i < block.size; ++i)
    if (block.threads[i].state == State::in_warp_call || (pc == 0 && block.threads[i].state == State::at_barrier))
      pc = block.threads[i].pc;
  abort_launch(cudaErrorLaunchTimeout, Assertion::runs, "deadlock", pc,
               format("deadlock in kernel %s, block (%u,%u,%u): of %d threads, %s", launch.kernel, blockIdx.x,
                      blockIdx.y, blockIdx.z, block.size, describe_waiting().c_str()));
}

void fiber_main();

__attribute__((noinline)) void start(int thread) {
  block.threads[thread].state = State::runnable;
  block.threads[thread].stack_pointer = prepare_stack(thread, fiber_main);
}

// The following functions are inline down to the switch, so that a suspended thread occupies few cache lines of stack.
ALWAYS_INLINE void switch_to(int thread) {
  void** save = &block.threads[block.current].stack_pointer;
  Thread& next = block.threads[thread];
  if (next.state == State::fresh) start(thread);
  enter(thread);
  upskill_cpu_switch(save, next.stack_pointer);
}

// Returns when the block is resumed.
void park_block() { upskill_cpu_switch(&block.threads[block.current].stack_pointer, main_stack_pointer); }

// Parks the block if all of its threads wait for the grid. Returns whether they did.
bool wait_for_grid() {
  if (!launch.cooperative || !waits_for_grid(block)) return false;
  park_block();
  return true;
}

// Called whenever a thread polls; after many polls the other blocks run.
void let_other_blocks_run() {
  if (!launch.cooperative || ++polls < 4 * block.size) return;
  polls = 0;
  park_block();
}

__attribute__((noinline)) void make_one_runnable() {
  if (!converge() && !wait_for_grid()) deadlock();
}

// Runs other threads until the current one can continue. A finished thread never continues.
ALWAYS_INLINE void run_others() {
  const int self = block.current;
  for (;;) {
    const int next = next_runnable();
    if (next == self) return;
    if (next >= 0) return switch_to(next);
    make_one_runnable();
  }
}

[[noreturn]] void finish_thread() {
  if (store_pending) settle_store();
  if (block.whole_block_barriers) leave_numbered_barriers();
  const int warp = warp_of(block.current);
  block.threads[block.current].state = State::finished;
  clear_runnable(block.current);
  block.warps[warp].alive &= ~(1u << lane_of(block.current));
  if (--block.alive == 0) leave_block();
  if (block.barrier.arrived == block.alive) complete_barrier();
  if (block.warps[warp].waiting != 0) settle_warp_calls(warp);
  run_others();
  __builtin_unreachable();
}

// An uninitialised local variable holds what the previous thread left there, which is often the right value. In orders
// other than the first it holds a NaN, or -1, so that such a kernel returns different bits.
__attribute__((noinline)) void poison_stack() {
  char room[2048];
  std::memset(room, 0xff, sizeof room);
  asm volatile("" : : "r"(room) : "memory");
}

void run_thread() {
  if (configuration.order != Order::forward) poison_stack();
  launch.thread(launch.arguments);
}

// The block's first stack runs threads one after another, until one of them must wait for others.
void run_in_turn() {
  for (int position = 0;;) {
    run_thread();
    if (block.fibers) return;
    if (++position == block.size) leave_block();
    enter(block.thread_at[position]);
  }
}

void fiber_main() {
  if (block.fibers)
    run_thread();
  else
    run_in_turn();
  finish_thread();
}

uint64_t next_random() {
  uint64_t& x = configuration.seed;
  x ^= x << 13;
  x ^= x >> 7;
  return x ^= x << 17;
}

template <class T>
void shuffle(T* items, int count) {
  for (int i = count - 1; i > 0; --i) std::swap(items[i], items[next_random() % (i + 1)]);
}

// The order permutes whole warps, and lanes within each warp.
void order_threads() {
  const int full = block.size / warp_size, rest = block.size % warp_size;
  int warps[max_threads / warp_size], lanes[warp_size], position = 0;
  std::iota(warps, warps + full, 0);
  std::iota(lanes, lanes + warp_size, 0);
  if (configuration.order == Order::reverse) std::reverse(warps, warps + full), std::reverse(lanes, lanes + warp_size);
  if (configuration.order == Order::random) shuffle(warps, full);
  for (int i = 0; i < full; ++i) {
    if (configuration.order == Order::random) shuffle(lanes, warp_size);
    for (int lane : lanes) block.thread_at[position++] = static_cast<uint16_t>(warps[i] * warp_size + lane);
  }
  for (int i = 0; i < rest; ++i)
    block.thread_at[position++] =
        static_cast<uint16_t>(full * warp_size + (configuration.order == Order::reverse ? rest - 1 - i : i));
  for (int i = 0; i < block.size; ++i) block.position_of[block.thread_at[i]] = static_cast<uint16_t>(i);
}

}  // namespace

void shape_block(dim3 shape) {
  block.size = static_cast<int>(shape.x * shape.y * shape.z);
  reserve_stacks(block.size);
  int thread = 0;
  for (unsigned z = 0; z < shape.z; ++z)
    for (unsigned y = 0; y < shape.y; ++y)
      for (unsigned x = 0; x < shape.x; ++x) block.indices[thread++] = {x, y, z};
  order_threads();
}

void run_block() {
  polls = 0;
  block.fibers = false;
  const int first = block.thread_at[0];
  block.threads[first].state = State::runnable;
  void* stack_pointer = prepare_stack(first, fiber_main);
  enter(first);
  upskill_cpu_switch(&main_stack_pointer, stack_pointer);
}

void resume_block() {
  polls = 0;
  const int next = next_runnable();
  enter(next);
  upskill_cpu_switch(&main_stack_pointer, block.threads[next].stack_pointer);
}

bool waits_for_grid(const Block& waiting) {
  for (int i = 0; i < waiting.size; ++i)
    if (waiting.threads[i].state != State::finished && waiting.threads[i].state != State::at_grid_barrier) return false;
  return true;
}

void abort_launch(cudaError_t error, Assertion assertion, const char* kind, uintptr_t pc, const std::string& message) {
  report(assertion, kind, pc, message);
  set_sticky_error(error);
  launch.aborted = true;
  leave_block();
}

void leave_block() {
  if (store_pending) settle_store();  // the next block's values would be taken for this one's
  void* abandoned;
  upskill_cpu_switch(&abandoned, main_stack_pointer);
  __builtin_unreachable();
}

void need_fibers() {
  if (block.fibers) return;
  block.fibers = true;
  block.barrier = {};
  std::memset(block.numbered, 0, sizeof block.numbered);
  block.whole_block_barriers = false;
  std::memset(block.runnable, 0, sizeof block.runnable);
  std::memset(block.warps, 0, sizeof block.warps);
  const int turn = block.position_of[block.current];
  block.alive = block.size - turn;
  for (int position = 0; position < block.size; ++position) {
    const int thread = block.thread_at[position];
    block.threads[thread].state = position < turn ? State::finished : State::fresh;
    if (position < turn) continue;
    block.warps[warp_of(thread)].alive |= 1u << lane_of(thread);
    block.runnable[position / 32] |= 1u << position % 32;
  }
  block.threads[block.current].state = State::runnable;
  begin_fibers(block.current);
}

void make_runnable(int thread) {
  const int position = block.position_of[thread];
  block.runnable[position / 32] |= 1u << position % 32;
  block.threads[thread].state = State::runnable;
}

namespace {

ALWAYS_INLINE void stop(State why) {
  block.threads[block.current].state = why;
  clear_runnable(block.current);
  run_others();
}

}  // namespace

void suspend(State why) { stop(why); }

void yield() {
  need_fibers();
  if (store_pending) settle_store();
  let_other_blocks_run();
  run_others();
}

namespace {

__attribute__((noinline)) void report_mixed_barriers(int line, uintptr_t pc) {
  block.barrier.mixed = true;
  report(Assertion::runs, "barrier-divergence", pc,
         format("threads of one block wait at different barriers, lines %d and %d,%s", block.barrier.line, line,
                where().c_str()));
}

// Returns the generation whose results this thread may read.
ALWAYS_INLINE int arrive(int predicate, int line, uintptr_t pc) {
  need_fibers();
  if (store_pending) settle_store();
  Barrier& barrier = block.barrier;
  Thread& self = block.threads[block.current];
  self.line = line;
  self.pc = pc;
  if (barrier.arrived == 0) {
    barrier.line = line;
    barrier.pc = pc;
  } else if (line != barrier.line && !barrier.mixed) {
    report_mixed_barriers(line, pc);
  }
  const int generation = barrier.generation;
  ++barrier.arrived;
  barrier.holding += predicate != 0;
  if (barrier.arrived == block.alive) {
    complete_barrier();
    select_thread(block.current, true);
  } else {
    stop(State::at_barrier);
  }
  return generation % 2;
}

}  // namespace

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_cpu_barrier(int line) {
  if (!in_kernel) return;
  arrive(0, line, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}

extern "C" int upskill_cpu_barrier_count(int predicate, bool* all, int line) {
  const int generation = arrive(predicate, line, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  *all = block.barrier.results[generation].all;
  return block.barrier.results[generation].holding;
}

extern "C" void upskill_cpu_yield() {
  if (in_kernel) yield();
}
