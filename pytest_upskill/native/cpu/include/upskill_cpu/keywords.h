// CUDA's keywords as the host compiler is to read them. Included after the standard headers.
#ifndef UPSKILL_CPU_KEYWORDS_H
#define UPSKILL_CPU_KEYWORDS_H

#define __CUDACC__ 1
#define __NVCC__ 1
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define __CUDA_ARCH__ 900
#define __CUDACC_EXTENDED_LAMBDA__ 1
#define __CUDACC_RELAXED_CONSTEXPR__ 1
#define CUDART_VERSION 13000
#define CUDA_VERSION 13000

// The device's variables get sections of their own (assemble.sh), out of the host's reach. `retain` marks them: it also
// applies to functions, and to variables in templates, for which GCC ignores `section`. In a student's source the
// latter has no effect (NO_SILENCERS in flags.py), so that managed variables are like the device's there, out of the
// host's reach.
#define __global__
#define __device__ __attribute__((__retain__))
#define __host__
#define __constant__ __attribute__((__retain__))
#define __managed__ __attribute__((__section__("upskill_managed"), __retain__))
#define __grid_constant__
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __cluster_dims__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))

#define __builtin_assume(condition) ((void)0)
#define __assume(condition) ((void)0)

// Thread-local storage gives every module one contiguous block for all of its __shared__ variables, those in templates
// too, and symbols (STT_TLS) with their exact sizes. All CUDA threads run on one OS thread, so they do share it.
// `__noinline__` is not a macro here, because libstdc++ spells an attribute so; the source rewrite replaces it.
#define __shared__ static thread_local

// For code of ours that is compiled into a kernel's library, and must not be seen as the kernel's own accesses.
#define UPSKILL_CPU_UNCHECKED __attribute__((no_sanitize("thread", "alignment", "bounds", "signed-integer-overflow")))

// Intrinsics are inlined always, so that the runtime's return address is the line of the kernel that called them.
#define UPSKILL_CPU_INLINE inline __attribute__((always_inline))

namespace upskill::cpu {

// The line of a call, as a last parameter that no argument of the caller's can be taken for.
struct Line {
  int number;
  explicit constexpr Line(int line) : number(line) {}
  constexpr operator int() const { return number; }
};

}  // namespace upskill::cpu

#define UPSKILL_CPU_LINE ::upskill::cpu::Line line = ::upskill::cpu::Line(__builtin_LINE())

#endif  // UPSKILL_CPU_KEYWORDS_H
