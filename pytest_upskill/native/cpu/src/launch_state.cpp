#include "launch_state.h"

#include <utility>

#include "upskill_cpu/builtins.h"

uint3 threadIdx, blockIdx, blockDim, gridDim;
extern const int warpSize = upskill::cpu::warp_size;
alignas(1024) char upskill_cpu_dynamic_shared[upskill::cpu::max_dynamic_shared + 4096];

namespace upskill::cpu {

Launch launch;
Configuration configuration;

namespace {

thread_local Announced announced;

}  // namespace

std::string where() {
  return format(" in kernel %s, block (%u,%u,%u), thread (%u,%u,%u)", launch.kernel, blockIdx.x, blockIdx.y, blockIdx.z,
                threadIdx.x, threadIdx.y, threadIdx.z);
}

bool is_argument(uintptr_t address, size_t size) {
  for (size_t i = 0; i < launch.argument_count; ++i) {
    const auto [begin, bytes, kind] = launch.argument_places[i];
    const uintptr_t offset = address - reinterpret_cast<uintptr_t>(begin);
    if (offset < bytes && size <= bytes - offset) return true;
  }
  return false;
}

Announced take_announced() { return std::exchange(announced, {}); }

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_cpu_arguments(const upskill_cpu_argument* arguments, size_t count) {
  announced = {arguments, count};
}
