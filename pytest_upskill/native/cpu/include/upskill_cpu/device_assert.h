// assert and __trap in a kernel end the launch, not the process.
#ifndef UPSKILL_CPU_DEVICE_ASSERT_H
#define UPSKILL_CPU_DEVICE_ASSERT_H

#include <cassert>

extern "C" {
[[noreturn]] void upskill_cpu_assert_fail(const char* expression, const char* file, unsigned int line,
                                          const char* function);
[[noreturn]] void upskill_cpu_trap(void);
}

// What glibc's assert expands to; the macro outlives a second #include of <assert.h>.
#define __assert_fail upskill_cpu_assert_fail

[[noreturn]] inline __attribute__((always_inline)) void __trap() { upskill_cpu_trap(); }

#endif  // UPSKILL_CPU_DEVICE_ASSERT_H
