// Atomic operations, with CUDA's overloads and no others; src/atomics.cpp performs them.
//
// They are in the runtime so that a kernel's atomic and other accesses are distinguished.
#ifndef UPSKILL_CPU_ATOMICS_H
#define UPSKILL_CPU_ATOMICS_H

#include "../vector_types.h"
#include "keywords.h"

// Each operation, and its spellings for the scopes of a block and of the system: with one OS thread they are the same.
#define UPSKILL_CPU_ATOMIC(T, name)                                                       \
  T name(T* address, T value);                                                            \
  UPSKILL_CPU_INLINE T name##_block(T* address, T value) { return name(address, value); } \
  UPSKILL_CPU_INLINE T name##_system(T* address, T value) { return name(address, value); }

#define UPSKILL_CPU_ATOMIC_CAS(T)                                                                                     \
  T atomicCAS(T* address, T compare, T value);                                                                        \
  UPSKILL_CPU_INLINE T atomicCAS_block(T* address, T compare, T value) { return atomicCAS(address, compare, value); } \
  UPSKILL_CPU_INLINE T atomicCAS_system(T* address, T compare, T value) { return atomicCAS(address, compare, value); }

#define UPSKILL_CPU_ATOMIC_INTEGERS(operation)                                                                        \
  operation(int, atomicAdd) operation(unsigned int, atomicAdd) operation(unsigned long long, atomicAdd)               \
      operation(int, atomicSub) operation(unsigned int, atomicSub) operation(int, atomicExch) operation(              \
          unsigned int, atomicExch) operation(unsigned long long, atomicExch) operation(int, atomicMin)               \
          operation(unsigned int, atomicMin) operation(long long, atomicMin) operation(unsigned long long, atomicMin) \
              operation(int, atomicMax) operation(unsigned int, atomicMax) operation(long long, atomicMax)            \
                  operation(unsigned long long, atomicMax) operation(unsigned int, atomicInc)                         \
                      operation(unsigned int, atomicDec) operation(int, atomicAnd) operation(unsigned int, atomicAnd) \
                          operation(unsigned long long, atomicAnd) operation(int, atomicOr)                           \
                              operation(unsigned int, atomicOr) operation(unsigned long long, atomicOr)               \
                                  operation(int, atomicXor) operation(unsigned int, atomicXor)                        \
                                      operation(unsigned long long, atomicXor)

#define UPSKILL_CPU_ATOMIC_REALS(operation)                                                                          \
  operation(float, atomicAdd) operation(double, atomicAdd) operation(float2, atomicAdd) operation(float4, atomicAdd) \
      operation(float, atomicExch)

#define UPSKILL_CPU_ATOMIC_WORDS(operation) \
  operation(int) operation(unsigned int) operation(unsigned long long) operation(unsigned short)

UPSKILL_CPU_ATOMIC_INTEGERS(UPSKILL_CPU_ATOMIC)
UPSKILL_CPU_ATOMIC_REALS(UPSKILL_CPU_ATOMIC)
UPSKILL_CPU_ATOMIC_WORDS(UPSKILL_CPU_ATOMIC_CAS)

// For cuda::atomic: unlike atomicExch, these do not read what was there before.
extern "C" void upskill_cpu_atomic_store_4(unsigned int* address, unsigned int value);
extern "C" void upskill_cpu_atomic_store_8(unsigned long long* address, unsigned long long value);

#endif  // UPSKILL_CPU_ATOMICS_H
