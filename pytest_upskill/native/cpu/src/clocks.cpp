#include "clocks.h"

#include <time.h>

#include <atomic>

#include "block.h"
#include "host_threads.h"

namespace upskill::cpu {

namespace {

std::atomic<uint64_t> spared_ns = 0;

// A thread that reads a clock repeatedly waits for a time. The others run meanwhile, or their waits would add up, and
// the clock jumps ahead, so that a wait does not depend on how busy the host is.
void count_reading() {
  static int last_thread, repeats;
  constexpr int patience = 64;
  constexpr uint64_t jump_ns = 50000;
  if (block.current != last_thread) repeats = 0;
  last_thread = block.current;
  if (++repeats < patience) return;
  repeats = 0;
  spared_ns += jump_ns;
  yield();
}

}  // namespace

uint64_t host_nanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t device_nanoseconds() { return host_nanoseconds() + spared_ns; }

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" {

long long upskill_cpu_timer() {
  if (in_kernel) count_reading();
  return static_cast<long long>(device_nanoseconds());
}

long long upskill_cpu_clock() {
  constexpr long long unit = 10000;
  return upskill_cpu_timer() * (clock_khz / unit) / (1000000 / unit);
}

// The user's object is linked with --wrap=clock: a kernel's clock() is that of its processor.
clock_t __wrap_clock() { return in_kernel ? upskill_cpu_clock() : clock(); }

}  // extern "C"
