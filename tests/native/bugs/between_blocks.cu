// Blocks that meet in global memory, with and without what orders them.
#include <cuda_runtime.h>

constexpr int N = 64;

__device__ unsigned tickets;
__device__ float partials[16];
__device__ int table_lock;

__global__ void first(const float* x, float* y) { y[blockIdx.x * blockDim.x + threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x]; }
__global__ void sum_into_one(const float* x, float* y) {
  if (threadIdx.x == 0) y[0] += x[blockIdx.x];  // bug 0: deterministic race
}
__global__ void shift_in_place(float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float v = y[i + 1];  // bug 1: deterministic race
  y[i] = v;  // bug 1: deterministic race
}
__global__ void last_writer_wins(float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i / 3] = i;  // bug 2: deterministic race
}
template <int Fence>
__global__ void last_block(const float* x, float* y) {
  __shared__ bool last;
  int t = threadIdx.x;
  if (t == 0) {
    partials[blockIdx.x] = x[blockIdx.x] * 2;
    if (Fence == 1) __threadfence();
    if (Fence == 2) __threadfence_block();
    last = atomicInc(&tickets, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && t < gridDim.x) y[t] = partials[t];  // bug 3: deterministic race, bug 4: deterministic race
}
__global__ void uses_the_neighbour(const float* x, float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
  __syncthreads();
  if (threadIdx.x == 0 && blockIdx.x > 0) y[i] += y[i - 1];  // bug 5: deterministic race
}
__global__ void counts(unsigned* count) {
  count[threadIdx.x % 4]++;  // bug 6: deterministic race
}

// All threads write, each fences, and one of them takes the ticket.
__global__ void all_fence(const float* x, float* y, float* out) {
  __shared__ bool last;
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&tickets, 1) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  float sum = 0;
  for (int k = threadIdx.x; k < gridDim.x * blockDim.x; k += blockDim.x) sum += y[k];
  out[threadIdx.x] = sum;
  if (threadIdx.x == 0) tickets = 0;
}
// All threads write, and after a barrier one of them fences for all.
__global__ void one_fences(const float* x, float* y, float* out) {
  __shared__ bool last;
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(&tickets, 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (last) out[threadIdx.x] = y[threadIdx.x * gridDim.x];
  if (last && threadIdx.x == 0) tickets = 0;
}
__global__ void locked_sum(const float* x, float* y) {
  if (threadIdx.x != 0) return;
  while (atomicCAS(&table_lock, 0, 1) != 0) {
  }
  __threadfence();
  y[0] += x[blockIdx.x];
  __threadfence();
  atomicExch(&table_lock, 0);
}
__global__ void atomic_sum(const float* x, float* y) { atomicAdd(y, x[blockIdx.x * blockDim.x + threadIdx.x]); }
__global__ void everyone_agrees(const float* x, float* y) {
  if (x[threadIdx.x] > -1e9f) y[0] = 1.0f;
}
__global__ void second(float* y) { y[(blockIdx.x + gridDim.x) * blockDim.x + threadIdx.x] = y[gridDim.x * blockDim.x - 1 - (blockIdx.x * blockDim.x + threadIdx.x)]; }

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *z = (float*)a[2];
  switch (which) {
    case 0: sum_into_one<<<4, 32, 0, stream>>>(x, z); break;
    case 1:
      first<<<5, N, 0, stream>>>(x, z);
      shift_in_place<<<4, N, 0, stream>>>(z);
      break;
    case 2: last_writer_wins<<<4, N, 0, stream>>>(y); break;
    case 3: last_block<0><<<8, 32, 0, stream>>>(x, y); break;
    case 4: last_block<2><<<8, 32, 0, stream>>>(x, y); break;
    case 5: uses_the_neighbour<<<4, N, 0, stream>>>(x, y); break;
    case 6: counts<<<4, 32, 0, stream>>>((unsigned*)z); break;
    case 10: last_block<1><<<8, 32, 0, stream>>>(x, y); break;
    case 11: all_fence<<<8, N, 0, stream>>>(x, y, z); break;
    case 12: one_fences<<<8, N, 0, stream>>>(x, y, z); break;
    case 13: locked_sum<<<8, 32, 0, stream>>>(x, z); break;
    case 14: atomic_sum<<<4, N, 0, stream>>>(x, z); break;
    case 15: everyone_agrees<<<4, N, 0, stream>>>(x, y); break;
    case 16:
      first<<<4, N, 0, stream>>>(x, y);
      second<<<4, N, 0, stream>>>(y);
      break;
  }
}
