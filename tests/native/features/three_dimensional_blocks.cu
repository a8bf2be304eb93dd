// Blocks of three dimensions, and how their threads form warps.
#include "checks.h"

constexpr int CHECKS = 2;

__global__ void blocks(int* ok) {
  int rank = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  __shared__ int ranks[4][2][8];
  ranks[threadIdx.z][threadIdx.y][threadIdx.x] = rank;
  __syncthreads();
  check(ok + 0, ranks[3 - threadIdx.z][1 - threadIdx.y][7 - threadIdx.x] == 63 - rank);
  check(ok + 1, __shfl_sync(0xffffffffu, rank, 0) == rank / 32 * 32);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  blocks<<<1, dim3(8, 2, 4), 0, stream>>>(ok);
}
