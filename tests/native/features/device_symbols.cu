// __device__ variables that the host reads back.
#include "checks.h"

constexpr int CHECKS = 3;

__device__ int counter, squares[8];
__global__ void count() {
  atomicAdd(&counter, 2);
  if (threadIdx.x < 8) squares[threadIdx.x] = threadIdx.x * threadIdx.x;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  int zero = 0, seen = -1, last = -1;
  void* address = nullptr;
  size_t size = 0;
  cudaMemcpyToSymbol(counter, &zero, sizeof zero);
  count<<<2, 32, 0, stream>>>();
  cudaMemcpyFromSymbol(&seen, counter, sizeof seen);
  cudaMemcpyFromSymbol(&last, squares, sizeof last, 7 * sizeof(int));
  check_on_host(ok + 0, seen == 128 && last == 49, stream);
  check_on_host(ok + 1, cudaGetSymbolAddress(&address, squares) == cudaSuccess && address != nullptr, stream);
  check_on_host(ok + 2, cudaGetSymbolSize(&size, squares) == cudaSuccess && size == 32, stream);
}
