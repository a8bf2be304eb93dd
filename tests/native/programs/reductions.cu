// The sum of an array, in the ways in which it is taught.
#include <cub/cub.cuh>

#include "checked.cuh"

__global__ void interleaved(const int* x, int* sum) {
  extern __shared__ int shared[];
  const int t = threadIdx.x;
  shared[t] = x[blockIdx.x * blockDim.x + t];
  __syncthreads();
  for (int stride = 1; stride < blockDim.x; stride *= 2) {
    if (t % (2 * stride) == 0) shared[t] += shared[t + stride];
    __syncthreads();
  }
  if (t == 0) atomicAdd(sum, shared[0]);
}

template <unsigned Threads>
__global__ void sequential(const int* x, int* sum, int n) {
  __shared__ int shared[Threads];
  const unsigned t = threadIdx.x;
  int own = 0;
  for (unsigned i = blockIdx.x * Threads * 2 + t; i < n; i += gridDim.x * Threads * 2)
    own += x[i] + (i + Threads < n ? x[i + Threads] : 0);
  shared[t] = own;
  __syncthreads();
#pragma unroll
  for (unsigned stride = Threads / 2; stride >= 32; stride /= 2) {
    if (t < stride) shared[t] = own = own + shared[t + stride];
    __syncthreads();
  }
  if (t < 32) {
    for (int offset = 16; offset > 0; offset /= 2) own += __shfl_down_sync(0xffffffffu, own, offset);
    if (t == 0) atomicAdd(sum, own);
  }
}

__global__ void in_steps(volatile int* shared_out, const int* x) {
  __shared__ int shared[64];
  const int t = threadIdx.x;
  shared[t] = x[t] + x[t + 64];
  __syncthreads();
  if (t < 32) {
    int own = shared[t] + shared[t + 32];
    for (int stride = 16; stride > 0; stride /= 2) {
      __syncwarp();
      shared[t] = own;
      __syncwarp();
      own += shared[t + stride];
    }
    if (t == 0) *shared_out = own;
  }
}

__global__ void with_cub(const int4* x, int* sum, int quads) {
  using Reduce = cub::BlockReduce<int, 128>;
  __shared__ Reduce::TempStorage storage;
  int own = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += gridDim.x * blockDim.x) {
    const int4 quad = __ldg(x + i);
    own += quad.x + quad.y + quad.z + quad.w;
  }
  const int total = Reduce(storage).Sum(own);
  if (threadIdx.x == 0) atomicAdd(sum, total);
}

__device__ unsigned finished = 0;

__global__ void in_one_launch(const int* x, int* partial, int* sum, int n) {
  __shared__ int shared;
  __shared__ bool last;
  if (threadIdx.x == 0) shared = 0;
  __syncthreads();
  int own = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) own += x[i];
  atomicAdd(&shared, own);
  __syncthreads();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = shared;
    __threadfence();
    last = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
    if (last) {
      __threadfence();
      int total = 0;
      for (int i = 0; i < gridDim.x; ++i) total += __ldcg(partial + i);
      *sum = total;
    }
  }
}

int main() {
  const int n = 8192;
  auto numbers = words(n, 1000);
  std::vector<int> x(numbers.begin(), numbers.end());
  int expected = 0, first = 0;
  for (int i = 0; i < n; ++i) expected += x[i], first += i < 128 ? x[i] : 0;
  int *dx = to_device(x), *sum = on_device<int>(1), *partial = on_device<int>(16);
  bool right = true;
  auto start = [&] { CHECKED(cudaMemset(sum, 0, sizeof(int))); };
  auto compare = [&](int with) { right = right && to_host(sum, 1)[0] == with; };
  start(), interleaved<<<n / 256, 256, 256 * sizeof(int)>>>(dx, sum), compare(expected);
  start(), sequential<128><<<7, 128>>>(dx, sum, n), compare(expected);
  start(), in_steps<<<1, 64>>>(sum, dx), compare(first);
  start(), with_cub<<<5, 128>>>(reinterpret_cast<int4*>(dx), sum, n / 4), compare(expected);
  for (int i = 0; i < 2; ++i) start(), in_one_launch<<<16, 64>>>(dx, partial, sum, n), compare(expected);
  for (int* pointer : {dx, sum, partial}) CHECKED(cudaFree(pointer));
  return verdict("reductions", right);
}
