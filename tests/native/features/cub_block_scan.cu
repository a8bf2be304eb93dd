// cub::BlockScan: sums before and with one's own, and their total.
#include "checks.h"

#include <cub/cub.cuh>

constexpr int CHECKS = 2;

using Scan = cub::BlockScan<int, 64>;
__global__ void scans(int* ok) {
  __shared__ typename Scan::TempStorage storage;
  int before, with, total, t = threadIdx.x;
  Scan(storage).ExclusiveSum(t, before, total);
  __syncthreads();
  Scan(storage).InclusiveSum(t, with);
  check(ok + 0, before == t * (t - 1) / 2 && with == before + t);
  check(ok + 1, total == 2016);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  scans<<<1, 64, 0, stream>>>(ok);
}
