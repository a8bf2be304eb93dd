// What the device says of itself, in one struct and one at a time.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void warp(int* ok) { check(ok, warpSize == 32 && __CUDA_ARCH__ >= 900); }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  cudaDeviceProp properties;
  int cooperative = 0, mode = -1, count = 0, device = -1;
  cudaGetDeviceCount(&count);
  cudaGetDevice(&device);
  cudaGetDeviceProperties(&properties, device);
  cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device);
  cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, device);
  check_on_host(ok + 1,
                count == 1 && properties.warpSize == 32 && properties.cooperativeLaunch == cooperative &&
                    cooperative == 1 && mode == cudaComputeModeDefault && properties.major >= 9,
                stream);
  warp<<<1, 32, 0, stream>>>(ok);
}
