// Cooperative launches, whose blocks wait for each other. a[0]: ints, 1 for each check that held.
#include <cooperative_groups.h>

namespace cg = cooperative_groups;

__device__ float partial[64], total;
__device__ unsigned int arrived;
__device__ volatile unsigned int generation;

// Each block sums, block 0 adds up, all blocks read; the stack and shared memory of a block must survive the wait.
__global__ void normalise(float* x, int count, int* ok) {
  cg::grid_group grid = cg::this_grid();
  extern __shared__ float sums[];
  __shared__ int mine;
  if (threadIdx.x == 0) mine = blockIdx.x;
  float own[3] = {float(threadIdx.x), float(blockIdx.x), 7};
  float sum = 0;
  for (int i = grid.thread_rank(); i < count; i += grid.size()) sum += x[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) partial[blockIdx.x] = sums[0];
  grid.sync();
  if (grid.thread_rank() == 0) {
    float all = 0;
    for (int i = 0; i < gridDim.x; ++i) all += partial[i];
    total = all;
  }
  cg::sync(grid);
  for (int i = grid.thread_rank(); i < count; i += grid.size()) x[i] /= total;
  grid.sync();
  bool held = grid.is_valid() && mine == blockIdx.x && own[0] == threadIdx.x && own[1] == blockIdx.x && own[2] == 7;
  held = held && x[count - 1] == (count - 1) / total;
  if (__syncthreads_and(held) && threadIdx.x == 0) ok[blockIdx.x] = 1;
}

// A barrier of the grid by hand, with a counter and a flag that is polled.
__global__ void by_hand(int* ok) {
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned int before = generation;
    __threadfence();
    if (atomicAdd(&arrived, 1) == gridDim.x - 1) {
      arrived = 0;
      __threadfence();
      generation = before + 1;
    } else {
      while (generation == before) {
      }
    }
    __threadfence();
    ok[blockIdx.x] = 1;
  }
}

__global__ void fill(float* x, int count) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) x[i] = i;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  int count = 1000, blocks = 0, processors = 0;
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0);
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, normalise, 64, 256);
  if (blocks * processors < 10) return;
  float* x;
  cudaMallocAsync(&x, count * sizeof(float), stream);
  fill<<<1, 128, 0, stream>>>(x, count);
  void* arguments[] = {&x, &count, &ok};
  if (cudaLaunchCooperativeKernel((void*)normalise, dim3(10), dim3(64), arguments, 256, stream) != cudaSuccess) return;
  int* rest = ok + 10;
  void* others[] = {&rest};
  cudaLaunchCooperativeKernel((const void*)by_hand, 5, 96, others, 0, stream);
  cudaFreeAsync(x, stream);
}
