// For synchronisation that these headers build from more than barriers and atomic operations: informs race detection.
// What a thread did before it releases an object is ordered before what another thread does after it acquires the same
// object later.
#ifndef UPSKILL_CPU_ORDERING_H
#define UPSKILL_CPU_ORDERING_H

extern "C" {
void upskill_cpu_release(const void* object);
void upskill_cpu_acquire(const void* object);
}

#endif  // UPSKILL_CPU_ORDERING_H
