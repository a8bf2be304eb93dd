#include "upskill_cpu/split_barrier.h"

#include <cstring>

#include "block.h"
#include "launch_state.h"
#include "memory_checks.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/ordering.h"

namespace {

using namespace upskill::cpu;
using SplitBarrier = upskill_cpu_split_barrier;

constexpr uint32_t numbers = 32;  // 16 of PTX, and 16 for tiles of several warps
// A thread that polls this often waits for a thread that never arrives.
constexpr int patience = 1 << 18;

uint32_t arrive(SplitBarrier& barrier, uint32_t count, bool drop) {
  const uint32_t phase = barrier.phase;
  upskill_cpu_release(&barrier);
  barrier.dropped += drop ? count : 0;
  barrier.pending -= count < barrier.pending ? count : barrier.pending;
  if (barrier.pending == 0) {
    barrier.expected -= barrier.dropped;
    barrier.dropped = 0;
    barrier.pending = barrier.expected;
    ++barrier.phase;
  }
  return phase;
}

void wait(const volatile SplitBarrier& barrier, uint32_t phase, int line, uintptr_t pc) {
  for (int polls = 0; barrier.phase == phase; yield())
    if (++polls == patience)
      abort_launch(cudaErrorLaunchTimeout, Assertion::runs, "deadlock", pc,
                   format("deadlock: the barrier waited for at line %d still lacks %u arrivals,%s", line,
                          barrier.pending, where().c_str()));
  upskill_cpu_acquire(const_cast<const SplitBarrier*>(&barrier));
}

SplitBarrier& numbered(uint32_t number, uint32_t threads) {
  static SplitBarrier barriers[numbers];
  static uint64_t known_launch;
  static uint3 known_block;
  if (known_launch != launch.serial || std::memcmp(&known_block, &blockIdx, sizeof blockIdx) != 0)
    std::memset(barriers, 0, sizeof barriers);
  known_launch = launch.serial;
  known_block = blockIdx;
  SplitBarrier& barrier = barriers[number % numbers];
  if (barrier.expected != threads) barrier = {threads, threads, barrier.phase + 1, 0};
  return barrier;
}

}  // namespace

extern "C" void upskill_cpu_split_barrier_init(SplitBarrier* barrier, uint32_t expected) {
  // Recorded as the kernel's own write, so that the memory counts as touched and written.
  check_access(reinterpret_cast<uintptr_t>(barrier), sizeof *barrier, Access::write,
               reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  *barrier = {expected, expected, 0, 0};
}

extern "C" uint32_t upskill_cpu_split_barrier_arrive(SplitBarrier* barrier, uint32_t count, bool drop) {
  return arrive(*barrier, count, drop);
}

extern "C" bool upskill_cpu_split_barrier_passed(SplitBarrier* barrier, uint32_t phase) {
  if (barrier->phase == phase) yield();
  if (barrier->phase == phase) return false;
  upskill_cpu_acquire(barrier);
  return true;
}

extern "C" uint32_t upskill_cpu_split_barrier_phase(const SplitBarrier* barrier) { return barrier->phase; }

extern "C" void upskill_cpu_split_barrier_wait(SplitBarrier* barrier, uint32_t phase, int line) {
  wait(*barrier, phase, line, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}

extern "C" void upskill_cpu_numbered_barrier(uint32_t number, uint32_t threads, bool waits, int line) {
  SplitBarrier& barrier = numbered(number, threads != 0 ? threads : static_cast<uint32_t>(block.size));
  const uint32_t phase = arrive(barrier, 1, false);
  if (waits) wait(barrier, phase, line, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}
