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

// An argument of the next launch, at its host address: a class with a copy constructor of its own is copied from there
// in each thread.
enum upskill_cpu_kind { upskill_cpu_value, upskill_cpu_pointer, upskill_cpu_array, upskill_cpu_polymorphic };
struct upskill_cpu_argument {
  const void* begin;
  size_t bytes;
  upskill_cpu_kind kind;
};
extern "C" void upskill_cpu_arguments(const upskill_cpu_argument* arguments, size_t count);

// Each kernel begins with UPSKILL_CPU_KERNEL(the arguments of its __launch_bounds__, or nothing). The first thread of a
// launch, and a call that is not a launch, ask the runtime, which refuses what the bounds do not allow. The gate is
// const for a kernel for the reasons in builtins.h. `caller` is where the kernel returns to.
#ifdef UPSKILL_CPU_RUNTIME
extern "C" int upskill_cpu_gate;
#else
extern "C" const int upskill_cpu_gate;
#endif
extern "C" bool upskill_cpu_refuses(const int* bounds, const void* caller);
#define UPSKILL_CPU_KERNEL(...)                                                                                      \
  static constexpr int upskill_cpu_bounds[] = {__VA_ARGS__ + 0};                                                     \
  if (__builtin_expect(upskill_cpu_gate, 0) && upskill_cpu_refuses(upskill_cpu_bounds, __builtin_return_address(0))) \
  return

// Each function without __device__ begins with this (see host_functions.py).
extern "C" void upskill_cpu_host_function(const char* name);
#define UPSKILL_CPU_HOST_FUNCTION \
  if (!__builtin_is_constant_evaluated()) upskill_cpu_host_function(__func__)

// The name in reports of a kernel that is launched through a pointer.
extern "C" const char* upskill_cpu_kernel_name(const void* kernel);

namespace upskill::cpu {

template <class Body>
UPSKILL_CPU_UNCHECKED void run_thread(void* body) {
  (*static_cast<Body*>(body))();
}

// An array is passed as a pointer.
template <class Argument>
UPSKILL_CPU_INLINE upskill_cpu_argument place_of(Argument& argument) {
  return {__builtin_addressof(argument), std::is_array_v<Argument> ? 0 : sizeof argument,
          std::is_array_v<Argument>         ? upskill_cpu_array
          : std::is_pointer_v<Argument>     ? upskill_cpu_pointer
          : std::is_polymorphic_v<Argument> ? upskill_cpu_polymorphic
                                            : upskill_cpu_value};
}

template <class Kernel>
struct KernelLaunch {
  Kernel kernel;
  const char* name;
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;

  // The arguments are evaluated once; each thread then gets copies, as kernel parameters are. Inline, so that the
  // runtime's return address is the launch's line.
  template <class... Arguments>
  UPSKILL_CPU_INLINE void operator()(Arguments&&... arguments) {
    auto body = [&]() UPSKILL_CPU_UNCHECKED { kernel(arguments...); };
    const upskill_cpu_argument places[] = {place_of(arguments)..., {nullptr, 0, upskill_cpu_value}};
    upskill_cpu_arguments(places, sizeof...(arguments));
    upskill_cpu_launch(name, &grid, &block, shared, stream, &run_thread<decltype(body)>, &body);
  }
};

template <class Kernel>
UPSKILL_CPU_INLINE KernelLaunch<Kernel> launch_kernel(Kernel kernel, const char* name, dim3 grid, dim3 block,
                                                      size_t shared = 0, cudaStream_t stream = nullptr) {
  return {kernel, name, grid, block, shared, stream};
}

// The same for a function whose parameters are known, so that {1, 2} can be an argument.
template <class... Parameters>
struct FunctionLaunch {
  KernelLaunch<void (*)(Parameters...)> launch;
  UPSKILL_CPU_INLINE void operator()(Parameters... arguments) { launch(arguments...); }
};

template <class... Parameters>
UPSKILL_CPU_INLINE FunctionLaunch<Parameters...> launch_function(void (*kernel)(Parameters...), const char* name,
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
