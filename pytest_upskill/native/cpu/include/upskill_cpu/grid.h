// Cooperative launches; src/cooperative_grid.cpp performs them.
#ifndef UPSKILL_CPU_GRID_H
#define UPSKILL_CPU_GRID_H

#include <cstddef>

#include "../driver_types.h"
#include "../vector_types.h"

extern "C" {
// As upskill_cpu_launch, for a grid whose blocks may wait for each other.
cudaError_t upskill_cpu_launch_cooperative(const char* kernel, const dim3* grid, const dim3* block, size_t shared,
                                           cudaStream_t stream, void (*thread)(void*), void* arguments);
bool upskill_cpu_grid_is_cooperative(void);
void upskill_cpu_grid_barrier(int line);
}

#endif  // UPSKILL_CPU_GRID_H
