// __pipeline_memcpy_async and related functions.
#ifndef UPSKILL_CPU_CUDA_PIPELINE_PRIMITIVES_H
#define UPSKILL_CPU_CUDA_PIPELINE_PRIMITIVES_H
#define _CUDA_PIPELINE_PRIMITIVES_H_

#include "cuda_runtime.h"
#include "upskill_cpu/async_copy.h"

UPSKILL_CPU_INLINE void __pipeline_memcpy_async(void* target, const void* source, size_t bytes, size_t zeros = 0) {
  upskill_cpu_async_copy(target, source, bytes, bytes - zeros);
}
UPSKILL_CPU_INLINE void __pipeline_commit() { upskill_cpu_async_commit(); }
UPSKILL_CPU_INLINE void __pipeline_wait_prior(size_t pending) { upskill_cpu_async_wait(static_cast<int>(pending)); }

#endif  // UPSKILL_CPU_CUDA_PIPELINE_PRIMITIVES_H
