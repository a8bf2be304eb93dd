// The function that `kernel<<<grid, block, shared, stream>>>(arguments)` is rewritten to.
#ifndef UPSKILL_CPU_LAUNCH_H
#define UPSKILL_CPU_LAUNCH_H

#include <cstddef>
#include <type_traits>

#include "../driver_types.h"
#include "../vector_types.h"
#include "keywords.h"

// Runs `thread(arguments)` once for each thread of the grid, or records the error that a GPU would.
extern "C" cudaError_t upskill_cpu_launch(const char* kernel, const dim3* grid, const dim3* block, size_t shared,
                                          cudaStream_t stream, void (*thread)(void*), void* arguments);

// The host address of an argument of the next launch: a class with a copy constructor of its own is copied from there
// in each thread.
struct upskill_cpu_argument {
  const void* begin;
  size_t bytes;
};
extern "C" void upskill_cpu_arguments(const upskill_cpu_argument* arguments, size_t count);

// The name in reports of a kernel that is launched through a pointer.
extern "C" const char* upskill_cpu_kernel_name(const void* kernel);

namespace upskill::cpu {

template <class Body>
UPSKILL_CPU_UNCHECKED void run_thread(void* body) {
  (*static_cast<Body*>(body))();
}

// An array is passed as a pointer.
template <class Argument>
UPSKILL_CPU_UNCHECKED upskill_cpu_argument place_of(Argument& argument) {
  return {__builtin_addressof(argument), std::is_array_v<Argument> ? 0 : sizeof argument};
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
    const upskill_cpu_argument places[] = {place_of(arguments)..., {nullptr, 0}};
    upskill_cpu_arguments(places, sizeof...(arguments));
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

// A literal 0, which is both a number and a null pointer.
struct Zero {
  constexpr operator int() const { return 0; }
  template <class T>
  constexpr operator T*() const {
    return nullptr;
  }
};

}  // namespace upskill::cpu

#endif  // UPSKILL_CPU_LAUNCH_H
