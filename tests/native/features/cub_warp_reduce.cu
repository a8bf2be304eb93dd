// cub::WarpReduce, for each warp of a block.
#include "checks.h"

#include <cub/cub.cuh>

constexpr int CHECKS = 1;

using Reduce = cub::WarpReduce<int>;
__global__ void reductions(int* ok) {
  __shared__ typename Reduce::TempStorage storage[2];
  int sum = Reduce(storage[threadIdx.x / 32]).Sum(int(threadIdx.x));
  check(ok, threadIdx.x % 32 != 0 || sum == (threadIdx.x < 32 ? 496 : 1520));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  reductions<<<1, 64, 0, stream>>>(ok);
}
