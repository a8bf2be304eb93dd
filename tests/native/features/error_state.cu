// Errors are kept until they are asked for; what CUDA calls them.
#include "checks.h"

#include <cstring>

constexpr int CHECKS = 3;

__global__ void set(int* ok) { check(ok, true); }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  void* nothing = nullptr;
  const bool refused = cudaMemcpy(nothing, nothing, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue;
  check_on_host(ok + 1, refused && cudaPeekAtLastError() == cudaErrorInvalidValue, nullptr);
  const cudaError_t error = cudaGetLastError();
  check_on_host(ok + 2,
                strcmp(cudaGetErrorName(error), "cudaErrorInvalidValue") == 0 && cudaGetLastError() == cudaSuccess,
                stream);
  set<<<1, 32, 0, stream>>>(ok);
}
