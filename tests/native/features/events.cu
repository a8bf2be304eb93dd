// Events: time, order and state.
#include "checks.h"

constexpr int CHECKS = 3;

__global__ void nothing() {}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  cudaEvent_t start, stop, untimed;
  float milliseconds = -1;
  cudaEventCreate(&start);
  cudaEventCreate(&stop);
  cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming);
  cudaEventRecord(start, stream);
  nothing<<<1, 1, 0, stream>>>();
  cudaEventRecord(stop, stream);
  check_on_host(ok + 0, cudaEventSynchronize(stop) == cudaSuccess && cudaEventQuery(stop) == cudaSuccess, stream);
  check_on_host(ok + 1, cudaEventElapsedTime(&milliseconds, start, stop) == cudaSuccess && milliseconds >= 0, stream);
  check_on_host(ok + 2, cudaEventRecord(untimed) == cudaSuccess && cudaStreamWaitEvent(stream, untimed) == cudaSuccess,
                stream);
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  cudaEventDestroy(untimed);
}
