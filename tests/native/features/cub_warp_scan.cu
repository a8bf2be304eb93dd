// cub::WarpScan.
#include "checks.h"

#include <cub/cub.cuh>

constexpr int CHECKS = 1;

using Scan = cub::WarpScan<int>;
__global__ void scans(int* ok) {
  __shared__ typename Scan::TempStorage storage[2];
  int with, lane = threadIdx.x % 32;
  Scan(storage[threadIdx.x / 32]).InclusiveSum(1, with);
  check(ok, with == lane + 1);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  scans<<<1, 64, 0, stream>>>(ok);
}
