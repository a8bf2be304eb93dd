// The CUDA helpers of NVIDIA's CUDA samples, for programs that have left their Common folder behind.
#pragma once
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

#include "helper_string.h"

#define checkCudaErrors(call) upskill_samples_check((call), #call, __FILE__, __LINE__)
#define getLastCudaError(text) upskill_samples_check(cudaGetLastError(), text, __FILE__, __LINE__)
#define printLastCudaError(text)                                                                       \
  do {                                                                                                 \
    const cudaError_t upskill_error = cudaGetLastError();                                              \
    if (upskill_error != cudaSuccess)                                                                  \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, text, cudaGetErrorString(upskill_error)); \
  } while (0)

inline void upskill_samples_check(cudaError_t error, const char* what, const char* file, int line) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s:%d: %s: %s (%s)\n", file, line, what, cudaGetErrorName(error), cudaGetErrorString(error));
  exit(EXIT_FAILURE);
}
// Any other library's status: 0 is success.
template <class Status>
void upskill_samples_check(Status status, const char* what, const char* file, int line) {
  if (static_cast<int>(status) == 0) return;
  fprintf(stderr, "%s:%d: %s: status %d\n", file, line, what, static_cast<int>(status));
  exit(EXIT_FAILURE);
}

inline int ftoi(float value) { return static_cast<int>(value >= 0 ? value + 0.5 : value - 0.5); }
inline int _ConvertSMVer2Cores(int major, int) { return major == 6 || major == 7 ? 64 : 128; }
inline const char* _ConvertSMVer2ArchName(int, int) { return "the host"; }
inline int gpuGetMaxGflopsDeviceId() { return 0; }
inline int gpuDeviceInit(int device) {
  checkCudaErrors(cudaSetDevice(device));
  return device;
}
inline int findCudaDevice(int count, const char** arguments) {
  const int device = gpuDeviceInit(getCmdLineArgumentInt(count, arguments, "device"));
  cudaDeviceProp properties;
  checkCudaErrors(cudaGetDeviceProperties(&properties, device));
  printf("GPU Device %d: \"%s\" with compute capability %d.%d\n\n", device, properties.name, properties.major,
         properties.minor);
  return device;
}
inline bool checkCudaCapabilities(int major, int minor) {
  cudaDeviceProp properties;
  checkCudaErrors(cudaGetDeviceProperties(&properties, 0));
  return properties.major > major || (properties.major == major && properties.minor >= minor);
}
