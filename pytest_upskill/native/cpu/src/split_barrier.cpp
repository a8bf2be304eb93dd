// Split barriers. Each initialisation begins a new one, whatever was at its address before; numbered ones begin with
// their first use in a block.
#include "upskill_cpu/split_barrier.h"

#include <memory>
#include <unordered_map>

#include "block.h"
#include "launch_state.h"
#include "memory.h"
#include "memory_checks.h"
#include "ordering.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

namespace {

// A thread that polls this often waits for a thread that never arrives.
constexpr int patience = 1 << 18;
constexpr uint32_t ptx_barriers = 16;

struct Completed {
  std::shared_ptr<const Phase> phase;
  Knowledge known;
};

struct SplitBarrier {
  uint32_t life, expected, pending;
  bool shared;
  bool whole_block = false;  // numbered, for all threads that have not returned
  Phase phase{};             // the running one
  Knowledge known{};         // what those that arrived had learned
  Completed completed[2]{};  // the last two, by parity
};

std::unordered_map<uint32_t, SplitBarrier> barriers;  // by life
uint32_t last_life = 0;

SplitBarrier& begin_life(uint32_t expected, bool shared) {
  if (++last_life == 0) ++last_life;
  return barriers[last_life] = SplitBarrier{last_life, expected, expected, shared};
}

uint32_t arrive(SplitBarrier& barrier, uint32_t count, bool drop) {
  const uint32_t phase = barrier.phase.number;
  join_phase(barrier.phase, barrier.known, barrier.shared);
  if (drop) barrier.expected -= count;
  barrier.pending -= count < barrier.pending ? count : barrier.pending;
  if (barrier.pending == 0) {
    barrier.completed[phase % 2] = {std::make_shared<const Phase>(barrier.phase), barrier.known};
    barrier.pending = barrier.expected;
    ++barrier.phase.number;
  }
  return phase;
}

void pass(const SplitBarrier& barrier, uint32_t phase) {
  const Completed& completed = barrier.completed[phase % 2];
  if (completed.phase != nullptr) pass_phase(barrier.life, completed.phase, completed.known);
}

void wait(const SplitBarrier& barrier, uint32_t phase, int line, uintptr_t pc) {
  for (int polls = 0; barrier.phase.number == phase; yield())
    if (++polls == patience)
      abort_launch(cudaErrorLaunchTimeout, Assertion::runs, "deadlock", pc,
                   format("deadlock: the barrier waited for at line %d still lacks %u arrivals,%s", line,
                          barrier.pending, where().c_str()));
  pass(barrier, phase);
}

// The barrier at an address of the kernel's. Its use there is recorded, so that an initialisation without order is a
// race.
SplitBarrier& barrier_at(const upskill_cpu_split_barrier* place, uintptr_t pc) {
  check_access(reinterpret_cast<uintptr_t>(place), sizeof place->life, Access::barrier_use, pc);
  const auto found = barriers.find(place->life);
  if (found == barriers.end())
    abort_launch(cudaErrorLaunchFailure, Assertion::runs, "invalid-barrier", pc,
                 "the barrier used here was not initialised: call init(&barrier, count) in one thread, then "
                 "__syncthreads()," +
                     where());
  return found->second;
}

SplitBarrier& numbered(uint32_t number, uint32_t threads, uintptr_t pc) {
  need_fibers();
  const bool whole_block = threads == 0;
  if (whole_block) threads = static_cast<uint32_t>(block.alive);
  uint32_t& life = block.numbered[number];
  if (life == 0) life = begin_life(threads, true).life;
  SplitBarrier& barrier = barriers[life];
  barrier.whole_block = whole_block;
  block.whole_block_barriers |= whole_block;
  if (barrier.expected == threads) return barrier;
  if (barrier.pending != barrier.expected)
    report(Assertion::runs, "barrier-divergence", pc,
           format("barrier %u is used for %u threads here, while others wait at it for %u,%s", number, threads,
                  barrier.expected, where().c_str()));
  barrier.expected = barrier.pending = threads;
  return barrier;
}

}  // namespace

void forget_shared_barriers() {
  for (auto next = barriers.begin(); next != barriers.end();)
    next = next->second.shared ? barriers.erase(next) : std::next(next);
}

void leave_numbered_barriers() {
  for (uint32_t life : block.numbered)
    if (const auto found = barriers.find(life); found != barriers.end() && found->second.whole_block)
      arrive(found->second, 1, true);
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

#define PC reinterpret_cast<uintptr_t>(__builtin_return_address(0))

extern "C" void upskill_cpu_split_barrier_init(upskill_cpu_split_barrier* place, uint32_t expected) {
  const auto address = reinterpret_cast<uintptr_t>(place);
  // Recorded as the kernel's own write, so that the memory counts as touched and written.
  check_access(address, sizeof *place, Access::write, PC);
  const Span* span = in_kernel ? find_span(address, sizeof *place) : nullptr;
  place->life = begin_life(expected, span != nullptr && span->space == Space::shared).life;
  place->expected = expected;
}

// In host code, which may use a barrier in managed memory, an arrival has no effect: no other thread takes part.
extern "C" uint32_t upskill_cpu_split_barrier_arrive(upskill_cpu_split_barrier* place, uint32_t count, bool drop) {
  if (!in_kernel) return 0;
  return arrive(barrier_at(place, PC), count, drop);
}

extern "C" bool upskill_cpu_split_barrier_passed(const upskill_cpu_split_barrier* place, uint32_t phase) {
  if (!in_kernel) return true;
  const SplitBarrier& barrier = barrier_at(place, PC);
  if (barrier.phase.number == phase) yield();
  if (barrier.phase.number == phase) return false;
  pass(barrier, phase);
  return true;
}

extern "C" void upskill_cpu_split_barrier_wait(const upskill_cpu_split_barrier* place, uint32_t phase, int line) {
  if (in_kernel) wait(barrier_at(place, PC), phase, line, PC);
}

extern "C" uint32_t upskill_cpu_split_barrier_phase_of(const upskill_cpu_split_barrier* place, bool parity) {
  if (!in_kernel) return 0;
  const uint32_t phase = barrier_at(place, PC).phase.number;
  return phase % 2 == parity ? phase : phase - 1;
}

extern "C" void upskill_cpu_numbered_barrier(uint32_t number, uint32_t threads, bool waits, int line) {
  SplitBarrier& barrier = numbered(number % ptx_barriers, threads, PC);
  const uint32_t phase = arrive(barrier, 1, false);
  if (waits) wait(barrier, phase, line, PC);
}

extern "C" const uint64_t* upskill_cpu_tile_exchange(uint32_t size, uint64_t value, int line) {
  // Two buffers for each size, in turn: no thread can be two exchanges ahead of another one.
  static uint64_t shown[5][2][max_threads];
  const auto thread = static_cast<uint32_t>(block.current);
  const uint32_t tiles = max_threads / size, rank = thread / size;
  SplitBarrier& barrier = numbered(ptx_barriers + tiles + rank, size, PC);
  uint64_t* buffer = shown[__builtin_ctz(tiles)][barrier.phase.number % 2];
  buffer[thread] = value;
  wait(barrier, arrive(barrier, 1, false), line, PC);
  return buffer + rank * size;
}
