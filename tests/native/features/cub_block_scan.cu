// cub::BlockScan: sums before and with one's own, and their total; tiles with a running prefix, several items each.
#include "checks.h"

#include <cub/cub.cuh>

constexpr int CHECKS = 4;

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

struct Running {
  int value;
  __device__ int operator()(int total) {
    const int before = value;
    value += total;
    return before;
  }
};
struct Larger {
  int value;
  __device__ int operator()(int total) {
    const int before = value;
    value = max(value, total);
    return before;
  }
};
__global__ void tiles(int* ok) {
  __shared__ typename Scan::TempStorage storage;
  Running inclusive{0}, exclusive{0};
  Larger high{-1000}, high_before{-1000};
  bool sums = true, maxima = true;
  auto larger = [](int a, int b) { return a > b ? a : b; };
  for (int tile = 0; tile < 3; ++tile) {
    const int first = tile * 192 + 3 * threadIdx.x;
    int in[3] = {first, first + 1, first + 2}, with[3], before[3], one;
    Scan(storage).InclusiveSum(in, with, inclusive);
    __syncthreads();
    Scan(storage).ExclusiveSum(in, before, exclusive);
    __syncthreads();
    for (int i = 0; i < 3; ++i) {
      const int n = first + i;
      sums = sums && with[i] == n * (n + 1) / 2 && before[i] == n * (n - 1) / 2;
    }
    Scan(storage).InclusiveScan(-first, one, larger, high);
    __syncthreads();
    maxima = maxima && one == 0;
    Scan(storage).ExclusiveScan(in, before, larger, high_before);
    __syncthreads();
    maxima = maxima && before[0] == (first == 0 ? -1000 : first - 1) && before[2] == first + 1;
  }
  check(ok + 2, sums);
  check(ok + 3, maxima);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  scans<<<1, 64, 0, stream>>>(ok);
  tiles<<<1, 64, 0, stream>>>(ok);
}
