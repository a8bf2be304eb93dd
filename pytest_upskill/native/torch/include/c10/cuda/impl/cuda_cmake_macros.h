// What PyTorch's build generates for CUDA, and its builds for the cpu lack; and what its headers use of CUDA and the
// cpu device does not have.
#pragma once

#include <cuda_runtime_api.h>

#define C10_CUDA_BUILD_SHARED_LIBS

#define cudaEventRecordExternal 0x01
#define cudaEventWaitExternal 0x01

typedef struct {
  char reserved[64];
} cudaIpcEventHandle_t;

inline cudaError_t cudaIpcOpenEventHandle(cudaEvent_t*, cudaIpcEventHandle_t) { return cudaErrorNotSupported; }
inline cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t*, cudaEvent_t) { return cudaErrorNotSupported; }
