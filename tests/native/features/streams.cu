// Streams of one's own, with priorities and host functions.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void set(int* value, int to) { *value = to; }
static void note(void* data) { ++*static_cast<int*>(data); }

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  cudaStream_t first, second;
  int called = 0, least, greatest;
  cudaDeviceGetStreamPriorityRange(&least, &greatest);
  cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
  cudaStreamCreateWithPriority(&second, cudaStreamDefault, greatest);
  set<<<1, 1, 0, first>>>(ok, 0);
  cudaStreamSynchronize(first);
  set<<<1, 1, 0, second>>>(ok, 1);
  cudaLaunchHostFunc(second, note, &called);
  cudaStreamSynchronize(second);
  check_on_host(ok + 1, called == 1 && cudaStreamQuery(second) == cudaSuccess, stream);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
}
