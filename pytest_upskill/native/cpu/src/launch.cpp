// Launching a kernel: checks the configuration and runs the blocks of the grid one after another.
#include <algorithm>
#include <utility>

#include "block.h"
#include "block_order.h"
#include "cooperative_grid.h"
#include "faults.h"
#include "host_pointers.h"
#include "kernel_facts.h"
#include "launch_state.h"
#include "launch_statistics.h"
#include "memory.h"
#include "module.h"
#include "ordering.h"
#include "shadow.h"
#include "span_cache.h"
#include "upskill_cpu/builtins.h"
#include "upskill_cpu/grid.h"
#include "upskill_cpu/launch.h"
#include "upskill_cpu/runtime_api.h"

namespace upskill::cpu {

namespace {

struct Shape {
  dim3 grid, block;
  size_t shared;
  uintptr_t pc;  // of the launch
};

int expected_device = 0;
int (*current_device)() = nullptr;
bool default_streams_refused = false;

// The rule that a configuration breaks, or nullptr.
const char* broken_rule(const dim3& grid, const dim3& block) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0)
    return "the grid has no block, and a launch needs at least one in each dimension";
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return "a grid has at most 2147483647 x 65535 x 65535 blocks";
  if (block.x == 0 || block.y == 0 || block.z == 0) return "a block has at least one thread in each dimension";
  if (block.x > 1024 || block.y > 1024 || block.z > 64) return "a block has at most 1024 x 1024 x 64 threads";
  if (uint64_t{block.x} * block.y * block.z > max_threads) return "a block has at most 1024 threads";
  return nullptr;
}

cudaError_t refuse(cudaError_t error, const char* kernel, const Shape& shape, const std::string& rule) {
  const auto& [grid, block, shared, pc] = shape;
  set_error(error);
  report(Assertion::runs, "launch-error", pc,
         format("launch of %s<<<(%u,%u,%u), (%u,%u,%u), %zu>>> failed: %s", kernel, grid.x, grid.y, grid.z, block.x,
                block.y, block.z, shared, rule.c_str()));
  return error;
}

cudaError_t refuse_shared(const char* kernel, const Shape& shape, size_t allowed) {
  return refuse(cudaErrorInvalidValue, kernel, shape,
                format("invalid argument: %zu bytes of dynamic shared memory, and this kernel may have %zu; "
                       "cudaFuncSetAttribute(cudaFuncAttributeMaxDynamicSharedMemorySize) allows it up to %zu",
                       shape.shared, allowed, max_dynamic_shared));
}

bool is_default(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

cudaError_t check(const char* kernel, const Shape& shape, cudaStream_t stream) {
  if (const char* rule = broken_rule(shape.grid, shape.block))
    return refuse(cudaErrorInvalidConfiguration, kernel, shape, std::string("invalid configuration argument: ") + rule);
  if (shape.shared > max_dynamic_shared) return refuse_shared(kernel, shape, default_dynamic_shared);
  if (const int device = current_device != nullptr ? current_device() : expected_device; device != expected_device)
    return refuse(cudaErrorInvalidResourceHandle, kernel, shape,
                  format("it is launched on device %d, and the tensors are on device %d", device, expected_device));
  if (default_streams_refused && is_default(stream))
    return refuse(cudaErrorInvalidResourceHandle, kernel, shape,
                  "it is launched on the default stream, and PyTorch's current stream is another one");
  return cudaSuccess;
}

// What only the kernel itself tells: its bounds. Leaves the launch if they do not allow it.
void check_bounds(const int* bounds) {
  const Shape shape{launch.grid, launch.block, launch.dynamic_shared, launch.pc};
  const size_t allowed = allowed_dynamic_shared(bounds);
  cudaError_t error = cudaSuccess;
  if (*bounds > 0 && block.size > *bounds)
    error = refuse(cudaErrorInvalidValue, launch.kernel, shape,
                   format("invalid argument: the block has %d threads, and the kernel's __launch_bounds__ allow %d",
                          block.size, *bounds));
  else if (shape.shared > allowed)
    error = refuse_shared(launch.kernel, shape, allowed);
  if (error == cudaSuccess) return;
  launch.aborted = true;
  leave_block();
}

// The size of a kernel's static __shared__ variables is known only after it has run: they are those it has touched.
// nvcc refuses more than 48 KiB of them, and a GPU refuses the launch when the block's total is too large.
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

void start_block(uint64_t turn) {
  blockIdx = block_at_turn(static_cast<uint32_t>(turn));
  if (configuration.poison_shared) poison_shared_memory();
  if (!launch.cooperative || turn == 0) forget_shared_barriers();
  begin_block(block.size);
  run_block();
}

void run_grid() {
  const KernelThread here;
  const uint64_t blocks = begin_block_order();
  if (launch.cooperative) return run_blocks_together(blocks, start_block);
  for (uint64_t turn = 0; turn < blocks && !launch.aborted; ++turn) start_block(turn);
}

cudaError_t check_size(const dim3& grid, const dim3& shape, const char* kernel, size_t shared, uintptr_t pc) {
  int processors = 0;
  const auto threads = static_cast<int>(shape.x * shape.y * shape.z);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0);
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  const uint64_t most = static_cast<uint64_t>(resident_blocks(threads, shared)) * static_cast<uint64_t>(processors);
  if (threads == 0 || threads > max_threads || blocks <= most) return cudaSuccess;  // the launch itself checks the rest
  set_error(cudaErrorCooperativeLaunchTooLarge);
  report(Assertion::runs, "launch-error", pc,
         format("cooperative launch of %s with %llu blocks of %d threads failed: at most %llu such blocks are resident "
                "at once on this device",
                kernel, static_cast<unsigned long long>(blocks), threads, static_cast<unsigned long long>(most)));
  return cudaErrorCooperativeLaunchTooLarge;
}

cudaError_t start(const char* kernel, const dim3& grid, const dim3& shape, size_t shared, cudaStream_t stream,
                  void (*thread)(void*), void* arguments, bool cooperative, uintptr_t pc) {
  if (in_kernel)
    abort_launch(cudaErrorNotSupported, Assertion::runs, "needs-gpu", pc,
                 format("dynamic parallelism (%s launches %s)", launch.kernel, kernel));
  const Announced announced = take_announced();
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  const Module& module = module_of(reinterpret_cast<const void*>(thread));
  if (cooperative)
    if (const cudaError_t error = check_size(grid, shape, kernel, shared, pc); error != cudaSuccess) return error;
  if (const cudaError_t error = check(kernel, {grid, shape, shared, pc}, stream); error != cudaSuccess) return error;
  const Reach reach;
  ++launch_statistics.launches;
  gridDim = grid;
  blockDim = shape;
  launch = {kernel,           thread,          arguments, shared, false, cooperative, launch.serial + 1,
            announced.places, announced.count, pc,        grid,   shape};
  check_arguments();
  shape_block(shape);
  prepare_memory(module, shared);
  if (!begin_launch()) forget_dates();
  watch_signals();
  run_grid();
  upskill_cpu_gate = 1;
  launch.argument_count = 0;
  end_watch();
  end_marks();
  forget_last_spans();
  if (!launch.aborted) check_shared_use({grid, shape, shared, pc});
  end_launch();
  drop_async_copies();
  return last_error();
}

}  // namespace

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" void upskill_expect_device(int device, int (*current)()) {
  expected_device = device;
  current_device = current;
}

extern "C" void upskill_refuse_default_streams(int yes) { default_streams_refused = yes != 0; }

extern "C" const char* upskill_cpu_kernel_name(const void* kernel) {
  const DeviceLock lock;
  const char* name = function_name(kernel);
  return name != nullptr ? name : "that was launched by its address";
}

int upskill_cpu_gate = 1;

extern "C" bool upskill_cpu_refuses(const int* bounds, const void* caller) {
  if (in_kernel) {
    upskill_cpu_gate = 0;
    launch.entered = true;
    launch.first_thread = block.current;
    launch.first_block = blockIdx;
    check_bounds(bounds);
    return false;
  }
  const DeviceLock lock;
  const std::string kernel = kernel_of(bounds);
  set_error(cudaErrorMissingConfiguration);
  report(
      Assertion::runs, "launch-error", reinterpret_cast<uintptr_t>(caller),
      format("kernel %s is called without a launch configuration, so it does not run; write %s<<<grid, block>>>(...)",
             kernel.c_str(), kernel.c_str()));
  return true;
}

#define PC reinterpret_cast<uintptr_t>(__builtin_return_address(0))

extern "C" void upskill_cpu_host_function(const char* name) {
  if (!in_kernel || !is_new_report("host-function", PC)) return;
  report(Assertion::runs, "host-function", PC,
         format("a kernel calls %s, which is a function of the host: nvcc does not compile this without __device__,%s",
                name, where().c_str()));
}

extern "C" cudaError_t upskill_cpu_launch(const char* kernel, const dim3* grid, const dim3* block, size_t shared,
                                          cudaStream_t stream, void (*thread)(void*), void* arguments) {
  return start(kernel, *grid, *block, shared, stream, thread, arguments, false, PC);
}

extern "C" cudaError_t upskill_cpu_launch_cooperative(const char* kernel, const dim3* grid, const dim3* block,
                                                      size_t shared, cudaStream_t stream, void (*thread)(void*),
                                                      void* arguments) {
  return start(kernel, *grid, *block, shared, stream, thread, arguments, true, PC);
}
