#include "launch.h"

#include <algorithm>
#include <utility>

#include "block.h"
#include "conduct.h"
#include "cooperative_grid.h"
#include "faults.h"
#include "hooks.h"
#include "memory.h"
#include "module.h"
#include "ordering.h"
#include "shadow.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/launch.h"

uint3 threadIdx, blockIdx, blockDim, gridDim;
extern const int warpSize = upskill::cpu::warp_size;
alignas(1024) char upskill_cpu_dynamic_shared[upskill::cpu::max_dynamic_shared + 4096];

namespace upskill::cpu {

Launch launch;
Configuration configuration;

namespace {

size_t allowed_dynamic_shared = default_dynamic_shared;

struct Shape {
  dim3 grid, block;
  size_t shared;
};

// The rule that a configuration breaks, or nullptr.
const char* broken_rule(const dim3& grid, const dim3& block) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return "a grid has at least one block in each dimension";
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return "a grid has at most 2147483647 x 65535 x 65535 blocks";
  if (block.x == 0 || block.y == 0 || block.z == 0) return "a block has at least one thread in each dimension";
  if (block.x > 1024 || block.y > 1024 || block.z > 64) return "a block has at most 1024 x 1024 x 64 threads";
  if (uint64_t{block.x} * block.y * block.z > max_threads) return "a block has at most 1024 threads";
  return nullptr;
}

cudaError_t refuse(cudaError_t error, const char* kernel, const Shape& shape, const std::string& rule) {
  const auto& [grid, block, shared] = shape;
  set_error(error);
  report(Assertion::runs, "launch-error", 0,
         format("launch of %s<<<(%u,%u,%u), (%u,%u,%u), %zu>>> failed: %s", kernel, grid.x, grid.y, grid.z, block.x,
                block.y, block.z, shared, rule.c_str()));
  return error;
}

cudaError_t check(const char* kernel, const Shape& shape) {
  if (launch.running) return refuse(cudaErrorNotSupported, kernel, shape, "a kernel cannot launch another one here");
  if (const char* rule = broken_rule(shape.grid, shape.block))
    return refuse(cudaErrorInvalidConfiguration, kernel, shape, std::string("invalid configuration argument: ") + rule);
  if (shape.shared > allowed_dynamic_shared)
    return refuse(cudaErrorInvalidValue, kernel, shape,
                  format("invalid argument: %zu bytes of dynamic shared memory; without cudaFuncSetAttribute("
                         "cudaFuncAttributeMaxDynamicSharedMemorySize) a kernel gets %zu, with it up to %zu",
                         shape.shared, default_dynamic_shared, max_dynamic_shared));
  return cudaSuccess;
}

// What a kernel declares is known only once it has run: its __shared__ variables are those that it has touched. nvcc
// refuses more than 48 KiB of them, and a GPU the launch of more than a block can have.
void check_shared_use(const Shape& shape) {
  const size_t used = touched_static_shared();
  if (used > default_dynamic_shared)
    refuse(cudaErrorInvalidValue, launch.kernel, shape,
           format("the kernel declares at least %zu bytes of static shared memory; the limit is %zu, and more must be "
                  "dynamic shared memory",
                  used, default_dynamic_shared));
  else if (used + shape.shared > max_dynamic_shared)
    refuse(cudaErrorInvalidValue, launch.kernel, shape,
           format("invalid argument: %zu bytes of static and dynamic shared memory together; a block can have %zu",
                  used + shape.shared, max_dynamic_shared));
}

uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) std::swap(a %= b, b);
  return a;
}

// Which block comes at a turn. The random order is a walk with a step that meets every block once.
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

void start_block(uint64_t turn) {
  blockIdx = block_at_turn(static_cast<uint32_t>(turn));
  if (configuration.poison_shared) poison_shared_memory();
  begin_block(block.size);
  run_block();
}

void run_grid() {
  block_order = BlockOrder(uint64_t{gridDim.x} * gridDim.y * gridDim.z);
  if (launch.cooperative) return run_blocks_together(block_order.count, start_block);
  for (uint64_t turn = 0; turn < block_order.count && !launch.aborted; ++turn) start_block(turn);
}

}  // namespace

std::string where() {
  return format(" in kernel %s, block (%u,%u,%u), thread (%u,%u,%u)", launch.kernel, blockIdx.x, blockIdx.y, blockIdx.z,
                threadIdx.x, threadIdx.y, threadIdx.z);
}

uint3 block_at_turn(uint32_t turn) {
  if (launch.cooperative && is_resumed(turn)) return resumed_block(turn);
  const uint64_t index = block_order.at(turn), row = gridDim.x, plane = row * gridDim.y;
  return {static_cast<unsigned>(index % row), static_cast<unsigned>(index % plane / row),
          static_cast<unsigned>(index / plane)};
}

void abort_launch(cudaError_t error, Assertion assertion, const char* kind, uintptr_t pc, const std::string& message) {
  report(assertion, kind, pc, message);
  set_sticky_error(error);
  launch.aborted = true;
  leave_block();
}

bool is_argument(uintptr_t address, size_t size) {
  for (size_t i = 0; i < launch.argument_count; ++i) {
    const auto [begin, bytes] = launch.argument_places[i];
    const uintptr_t offset = address - reinterpret_cast<uintptr_t>(begin);
    if (offset < bytes && size <= bytes - offset) return true;
  }
  return false;
}

void allow_dynamic_shared(size_t bytes) { allowed_dynamic_shared = std::max(allowed_dynamic_shared, bytes); }

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_cpu_arguments(const upskill_cpu_argument* arguments, size_t count) {
  launch.argument_places = arguments;
  launch.argument_count = count;
}

extern "C" const char* upskill_cpu_kernel_name(const void* kernel) {
  const char* name = function_name(kernel);
  return name != nullptr ? name : "that was launched by its address";
}

extern "C" cudaError_t upskill_cpu_launch(const char* kernel, const dim3* grid, const dim3* block, size_t shared,
                                          cudaStream_t, void (*thread)(void*), void* arguments) {
  const size_t argument_count = std::exchange(launch.argument_count, 0);
  if (sticky_error() != cudaSuccess) return sticky_error();
  const Shape shape{*grid, *block, shared};
  if (const cudaError_t error = check(kernel, shape); error != cudaSuccess) return error;
  const Reach reach;
  ++conduct.launches;
  gridDim = *grid;
  blockDim = *block;
  launch = {kernel,
            thread,
            arguments,
            shared,
            false,
            false,
            take_cooperative_request(),
            launch.serial + 1,
            launch.argument_places,
            argument_count};
  shape_block(*block);
  prepare_memory(module_of(reinterpret_cast<const void*>(thread)), shared);
  if (!begin_launch()) forget_dates();
  watch_signals();
  launch.running = true;
  run_grid();
  launch.running = false;
  launch.argument_count = 0;
  end_watch();
  end_marks();
  forget_hits();
  check_shared_use(shape);
  return last_error();
}
