// cub::BlockLoad and BlockStore of several items for each thread.
#include "checks.h"

#include <cub/cub.cuh>

constexpr int CHECKS = 1;

using Load = cub::BlockLoad<int, 32, 4>;
using Store = cub::BlockStore<int, 32, 4>;
__device__ int numbers[128];
__global__ void move(int* ok) {
  __shared__ typename Load::TempStorage load;
  __shared__ typename Store::TempStorage store;
  for (int i = threadIdx.x; i < 128; i += 32) numbers[i] = i;
  __syncthreads();
  int items[4];
  Load(load).Load(numbers, items);
  for (int& item : items) item *= 2;
  __syncthreads();
  Store(store).Store(numbers, items);
  __syncthreads();
  check(ok, numbers[4 * threadIdx.x + 3] == 2 * (4 * int(threadIdx.x) + 3));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  move<<<1, 32, 0, stream>>>(ok);
}
