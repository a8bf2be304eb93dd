// How the lanes of a warp exchange operands in matrix operations: a buffer for each warp, outside of the kernel's
// memory.
#ifndef UPSKILL_CPU_WARP_EXCHANGE_H
#define UPSKILL_CPU_WARP_EXCHANGE_H

#include <cstddef>
#include <cstdint>

extern "C" {
// Publishes `bytes` of the calling lane and waits until all 32 lanes have done so. Returns the address of lane 0's
// bytes; lane i's begin i * bytes further on. They are valid until the call after the next.
const void* upskill_cpu_warp_exchange(const void* own, size_t bytes, int line);
// The pointer that a lane has published. A kernel's own read of the buffer would be a wild access.
char* upskill_cpu_shown_pointer(const void* shown, int lane);
// The pointer for a 32-bit address in shared memory.
char* upskill_cpu_shared_pointer(uint32_t address);
}

#endif  // UPSKILL_CPU_WARP_EXCHANGE_H
