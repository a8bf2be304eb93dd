// What the occupancy calculator says fits what a launch may ask for.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void work(int* ok, int blocks) {
  if (blockIdx.x == 0) check(ok, gridDim.x == blocks);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  int blocks = 0, threads = 0, resident = 0;
  cudaOccupancyMaxPotentialBlockSize(&blocks, &threads, work, 0, 0);
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, work, 256, 0);
  check_on_host(ok + 1, threads > 0 && threads <= 1024 && blocks > 0 && resident == 8, stream);
  work<<<4, threads, 0, stream>>>(ok, 4);
}
