// assert and __trap in a kernel end the launch, not the process; so do traps for what only a GPU can do.
#ifndef UPSKILL_CPU_DEVICE_ASSERT_H
#define UPSKILL_CPU_DEVICE_ASSERT_H

#include <cassert>

extern "C" {
[[noreturn]] void upskill_cpu_assert_fail(const char* expression, const char* file, unsigned int line,
                                          const char* function) noexcept;  // PyTorch's headers declare it so, too
[[noreturn]] void upskill_cpu_trap(void);
[[noreturn]] void upskill_cpu_needs_gpu(const char* feature, bool ptx);
}

// What glibc's assert expands to; the macro outlives a second #include of <assert.h>.
#define __assert_fail upskill_cpu_assert_fail

[[noreturn]] inline __attribute__((always_inline)) void __trap() { upskill_cpu_trap(); }

namespace upskill::cpu {

// Stands where the source does something that this device cannot: a name of CUDA (traps.py), or PTX (ptx.py).
[[noreturn]] inline __attribute__((always_inline)) void needs_gpu(const char* feature, bool ptx = false) {
  upskill_cpu_needs_gpu(feature, ptx);
}

}  // namespace upskill::cpu

#endif  // UPSKILL_CPU_DEVICE_ASSERT_H
