// What `kernel<<<grid, block, shared, stream>>>(arguments)` is rewritten to.
#ifndef UPSKILL_CPU_LAUNCH_H
#define UPSKILL_CPU_LAUNCH_H

#include <cstddef>

#include "../driver_types.h"
#include "../vector_types.h"
#include "keywords.h"

// Runs `thread(arguments)` once for each thread of the grid, or records the error that a GPU would.
extern "C" cudaError_t upskill_cpu_launch(const char* kernel, const dim3* grid, const dim3* block, size_t shared,
                                          cudaStream_t stream, void (*thread)(void*), void* arguments);

// What a kernel that is launched through a pointer is called in reports.
extern "C" const char* upskill_cpu_kernel_name(const void* kernel);

namespace upskill::cpu {

template <class Body>
UPSKILL_CPU_UNCHECKED void run_thread(void* body) {
  (*static_cast<Body*>(body))();
}

template <class Kernel>
struct KernelLaunch {
  Kernel kernel;
  const char* name;
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;

  // The arguments are evaluated once; each thread then gets copies, as kernel parameters are.
  template <class... Arguments>
  UPSKILL_CPU_UNCHECKED void operator()(Arguments&&... arguments) {
    auto body = [&]() UPSKILL_CPU_UNCHECKED { kernel(arguments...); };
    upskill_cpu_launch(name, &grid, &block, shared, stream, &run_thread<decltype(body)>, &body);
  }
};

template <class Kernel>
UPSKILL_CPU_UNCHECKED KernelLaunch<Kernel> launch_kernel(Kernel kernel, const char* name, dim3 grid, dim3 block,
                                                         size_t shared = 0, cudaStream_t stream = nullptr) {
  return {kernel, name, grid, block, shared, stream};
}

// The same for a function whose parameters are known, so that {1, 2} can be an argument.
template <class... Parameters>
struct FunctionLaunch {
  KernelLaunch<void (*)(Parameters...)> launch;
  UPSKILL_CPU_UNCHECKED void operator()(Parameters... arguments) { launch(arguments...); }
};

template <class... Parameters>
UPSKILL_CPU_UNCHECKED FunctionLaunch<Parameters...> launch_function(void (*kernel)(Parameters...), const char* name,
                                                                    dim3 grid, dim3 block, size_t shared = 0,
                                                                    cudaStream_t stream = nullptr) {
  return {{kernel, name, grid, block, shared, stream}};
}

// A literal 0, which is a number and a null pointer.
struct Zero {
  constexpr operator int() const { return 0; }
  template <class T>
  constexpr operator T*() const {
    return nullptr;
  }
};

}  // namespace upskill::cpu

#endif  // UPSKILL_CPU_LAUNCH_H
