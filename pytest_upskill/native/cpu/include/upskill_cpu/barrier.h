// Barriers of a block, and memory fences. The line distinguishes the barriers of the source.
#ifndef UPSKILL_CPU_BARRIER_H
#define UPSKILL_CPU_BARRIER_H

#include "keywords.h"

extern "C" {
void upskill_cpu_barrier(int line);
// The number of threads whose `predicate` held; `all` gets whether it held for every thread.
int upskill_cpu_barrier_count(int predicate, bool* all, int line);
void upskill_cpu_fence(int scope);
void upskill_cpu_yield(void);
}

UPSKILL_CPU_INLINE void __syncthreads(int line = __builtin_LINE()) { upskill_cpu_barrier(line); }
UPSKILL_CPU_INLINE int __syncthreads_count(int predicate, int line = __builtin_LINE()) {
  bool all;
  return upskill_cpu_barrier_count(predicate, &all, line);
}
UPSKILL_CPU_INLINE int __syncthreads_or(int predicate, int line = __builtin_LINE()) {
  bool all;
  return upskill_cpu_barrier_count(predicate, &all, line) != 0;
}
UPSKILL_CPU_INLINE int __syncthreads_and(int predicate, int line = __builtin_LINE()) {
  bool all = false;
  upskill_cpu_barrier_count(predicate, &all, line);
  return all;
}

UPSKILL_CPU_INLINE void __threadfence_block() { upskill_cpu_fence(0); }
UPSKILL_CPU_INLINE void __threadfence() { upskill_cpu_fence(1); }
UPSKILL_CPU_INLINE void __threadfence_system() { upskill_cpu_fence(2); }
UPSKILL_CPU_INLINE void __nanosleep(unsigned int) { upskill_cpu_yield(); }

#endif  // UPSKILL_CPU_BARRIER_H
