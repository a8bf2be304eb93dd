// Copies from global to shared memory that are requested now and performed when they are waited for.
//
// They are performed as late as possible, so that a kernel which reads too early sees the old contents.
#ifndef UPSKILL_CPU_ASYNC_COPY_H
#define UPSKILL_CPU_ASYNC_COPY_H

#include <cstddef>

extern "C" {
// Copies `bytes`, and fills with zeros up to `whole`.
void upskill_cpu_async_copy(void* target, const void* source, size_t whole, size_t bytes);
// Copies since the last commit become a group of the calling thread.
void upskill_cpu_async_commit(void);
// Completes all groups of the calling thread but the last `pending`; or everything, committed or not.
void upskill_cpu_async_wait(int pending);
void upskill_cpu_async_wait_all(void);
}

#endif  // UPSKILL_CPU_ASYNC_COPY_H
