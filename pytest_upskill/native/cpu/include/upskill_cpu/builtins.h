// threadIdx and the other built-in variables: objects that the runtime sets before each thread runs.
//
// They are const for a kernel, as in CUDA. That also keeps the compiler from instrumenting reads of them, and lets it
// keep them in registers; this is sound because within one run of a thread they never change. (A const object of a
// class with constructors has neither advantage with GCC, so blockDim and gridDim are uint3 here, which converts to
// dim3.)
#ifndef UPSKILL_CPU_BUILTINS_H
#define UPSKILL_CPU_BUILTINS_H

#include "../vector_types.h"
#include "keywords.h"

#ifdef UPSKILL_CPU_RUNTIME
#define UPSKILL_CPU_BUILTIN extern
#else
#define UPSKILL_CPU_BUILTIN extern const
#endif

UPSKILL_CPU_BUILTIN uint3 threadIdx;
UPSKILL_CPU_BUILTIN uint3 blockIdx;
UPSKILL_CPU_BUILTIN uint3 blockDim;
UPSKILL_CPU_BUILTIN uint3 gridDim;
extern const int warpSize;  // 32, but not a constant expression, as with nvcc
#undef UPSKILL_CPU_BUILTIN

// Where `extern __shared__` arrays begin: aligned to 1024 bytes.
extern "C" char upskill_cpu_dynamic_shared[];

#if defined(__CUDACC__) && !defined(UPSKILL_CPU_RUNTIME)
namespace upskill::cpu {
// In every object, so that the runtime sees whether the compiler has kept the device's variables apart.
[[gnu::used]] static __device__ char device_variable;
}  // namespace upskill::cpu
#endif

#endif  // UPSKILL_CPU_BUILTINS_H
