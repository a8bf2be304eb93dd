// Profiling: there is nothing to start or stop.
#pragma once
#define __CUDA_PROFILER_API_H__
#include "cuda_runtime.h"

inline cudaError_t cudaProfilerStart() { return cudaSuccess; }
inline cudaError_t cudaProfilerStop() { return cudaSuccess; }
