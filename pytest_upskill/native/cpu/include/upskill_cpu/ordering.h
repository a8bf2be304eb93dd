// For synchronisation that is built in these headers out of more than barriers and atomic operations: tells the
// detection of races what it promises. What a thread did before it releases an object comes before what another thread
// does after it has acquired the same object, later.
#ifndef UPSKILL_CPU_ORDERING_H
#define UPSKILL_CPU_ORDERING_H

extern "C" {
void upskill_cpu_release(const void* object);
void upskill_cpu_acquire(const void* object);
}

#endif  // UPSKILL_CPU_ORDERING_H
