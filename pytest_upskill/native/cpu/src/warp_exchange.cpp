#include "upskill_cpu/warp_exchange.h"

#include <cstring>

#include "block.h"
#include "launch_state.h"
#include "module.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/warp_operations.h"

namespace {

using namespace upskill::cpu;

// A lane can be at most one operation ahead of the others, since all lanes synchronise in each.
constexpr size_t lane_bytes = 512;
char buffers[max_threads / warp_size][2][warp_size * lane_bytes];
uint8_t turns[max_threads];

// Whether a thread's next buffer is the first or the second; a new block begins with the first.
int next_turn(int thread) {
  static uint64_t known_launch;
  static uint3 known_block;
  if (known_launch != launch.serial || std::memcmp(&known_block, &blockIdx, sizeof blockIdx) != 0)
    std::memset(turns, 0, sizeof turns);
  known_launch = launch.serial;
  known_block = blockIdx;
  return turns[thread]++ % 2;
}

struct Area {
  uintptr_t begin;
  size_t bytes;
};

Area static_shared() {
  static uint64_t known_for = ~uint64_t{0};
  static Area area;
  if (known_for != launch.serial) {
    const Module& module = module_of(reinterpret_cast<const void*>(launch.thread));
    area = {module.shared_begin, module.shared_bytes};
    known_for = launch.serial;
  }
  return area;
}

}  // namespace

extern "C" const void* upskill_cpu_warp_exchange(const void* own, size_t bytes, int line) {
  const int thread = block.current;
  char* buffer = buffers[warp_of(thread)][next_turn(thread)];
  std::memcpy(buffer + static_cast<size_t>(lane_of(thread)) * bytes, own, bytes);
  upskill_cpu_warp(warp_sync, ~uint32_t{0}, 0, 0, line);
  return buffer;
}

extern "C" char* upskill_cpu_shown_pointer(const void* shown, int lane) {
  return static_cast<char* const*>(shown)[lane];
}

extern "C" char* upskill_cpu_shared_pointer(uint32_t address) {
  const auto dynamic = reinterpret_cast<uintptr_t>(upskill_cpu_dynamic_shared);
  const Area area = static_shared();
  const auto from_static = static_cast<int32_t>(address - static_cast<uint32_t>(area.begin));
  if (area.bytes != 0 && from_static >= 0 && static_cast<size_t>(from_static) < area.bytes)
    return reinterpret_cast<char*>(area.begin) + from_static;
  return reinterpret_cast<char*>(dynamic) + static_cast<int32_t>(address - static_cast<uint32_t>(dynamic));
}
