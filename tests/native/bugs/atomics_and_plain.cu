// Atomic operations beside plain accesses, and locks.
#include <cuda_runtime.h>

__device__ unsigned ticket, order_value;

__global__ void read_too_early(const float* x, float* y) {
  __shared__ float sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, x[threadIdx.x]);
  y[threadIdx.x] = sum;  // bug 0: deterministic race
}
__global__ void set_too_late(const int* x, int* y) {
  __shared__ int count[8];
  if (threadIdx.x < 8) count[threadIdx.x] = 0;  // bug 1: deterministic race
  atomicAdd(&count[(threadIdx.x + 3) % 8], 1);  // bug 1: deterministic race, bug 1: memory uninitialised
  __syncthreads();
  if (threadIdx.x < 8) y[threadIdx.x] = count[threadIdx.x];
}
__global__ void some_count_plainly(int* y) {
  if (threadIdx.x % 2)
    atomicAdd(y, 1);  // bug 2: deterministic race
  else
    *y = *y + 1;  // bug 2: deterministic race
}
template <int Kind>
__global__ void lock(const float* x, float* y) {
  __shared__ int taken;
  __shared__ float sum;
  if (threadIdx.x == 0) taken = 0, sum = 0;
  __syncthreads();
  for (bool done = false; !done;) {
    if (atomicCAS(&taken, 0, 1) == 0) {
      sum += x[threadIdx.x];  // bug 3: deterministic race
      if (Kind != 0) __threadfence_block();
      if (Kind == 2)
        *(volatile int*)&taken = 0;
      else
        atomicExch(&taken, 0);
      done = true;
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) y[0] = sum;
}
__global__ void no_lock(const float* x, float* y) {
  __shared__ float best;
  if (threadIdx.x == 0) best = 0;
  __syncthreads();
  if (x[threadIdx.x] > best) best = x[threadIdx.x];  // bug 4: deterministic race
  __syncthreads();
  if (threadIdx.x == 0) y[0] = best;
}

__global__ void right_count(const int* x, int* y) {
  __shared__ int count[8];
  if (threadIdx.x < 8) count[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&count[threadIdx.x % 8], 1);
  __syncthreads();
  if (threadIdx.x < 8) y[threadIdx.x] = count[threadIdx.x];
}
__device__ float atomic_max(float* address, float value) {
  int* bits = (int*)address;
  int old = *bits, assumed;
  do {
    assumed = old;
    if (__int_as_float(assumed) >= value) break;
    old = atomicCAS(bits, assumed, __float_as_int(value));
  } while (assumed != old);
  return __int_as_float(old);
}
__global__ void cas_loop(const float* x, float* y) {
  __shared__ float best;
  if (threadIdx.x == 0) best = -1e30f;
  __syncthreads();
  atomic_max(&best, x[threadIdx.x]);
  __syncthreads();
  if (threadIdx.x == 0) atomic_max(y, best);
}
__global__ void test_first(const int* x, int* y) {
  if (x[threadIdx.x] > *y) atomicMax(y, x[threadIdx.x]);
}
__global__ void compact(const float* x, float* y, int* count) {
  __shared__ int base, n;
  if (threadIdx.x == 0) n = 0;
  __syncthreads();
  int slot = x[threadIdx.x] > 0 ? atomicAdd(&n, 1) : -1;
  __syncthreads();
  if (threadIdx.x == 0) base = atomicAdd(count, n);
  __syncthreads();
  if (slot >= 0) y[base + slot] = x[threadIdx.x];
}
// Producer and consumer warps of one block, with a fence before the flag.
__global__ void produce_and_consume(const float* x, float* y) {
  __shared__ int full;
  __shared__ float slot[32];
  if (threadIdx.x == 0) full = 0;
  __syncthreads();
  if (threadIdx.x < 32) {
    slot[threadIdx.x] = x[threadIdx.x];
    __threadfence_block();
    atomicAdd(&full, 1);
  } else {
    while (atomicAdd(&full, 0) < 32) {
    }
    __threadfence_block();
    y[threadIdx.x] = slot[63 - threadIdx.x];
  }
}
__global__ void work_queue(const float* x, float* y, unsigned tiles) {
  __shared__ unsigned tile;
  for (;;) {
    if (threadIdx.x == 0) tile = atomicAdd(&ticket, 1);
    __syncthreads();
    if (tile >= tiles) break;
    y[tile * blockDim.x + threadIdx.x] = x[tile * blockDim.x + threadIdx.x];
    __syncthreads();
  }
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *z = (float*)a[2];
  const unsigned zero = 0;
  cudaMemcpyToSymbol(ticket, &zero, sizeof zero);
  switch (which) {
    case 0: read_too_early<<<1, 64, 0, stream>>>(x, y); break;
    case 1: set_too_late<<<1, 64, 0, stream>>>((int*)x, (int*)y); break;
    case 2: some_count_plainly<<<1, 64, 0, stream>>>((int*)z); break;
    case 3: lock<0><<<1, 64, 0, stream>>>(x, y); break;
    case 4: no_lock<<<1, 64, 0, stream>>>(x, y); break;
    case 10: right_count<<<1, 64, 0, stream>>>((int*)x, (int*)y); break;
    case 11: lock<1><<<1, 64, 0, stream>>>(x, y); break;
    case 12: lock<2><<<1, 64, 0, stream>>>(x, y); break;
    case 13: cas_loop<<<4, 64, 0, stream>>>(x, z); break;
    case 14: test_first<<<4, 64, 0, stream>>>((int*)x, (int*)z); break;
    case 15: compact<<<4, 64, 0, stream>>>(x, y, (int*)z); break;
    case 16: produce_and_consume<<<1, 64, 0, stream>>>(x, y); break;
    case 17: work_queue<<<3, 64, 0, stream>>>(x, y, 8); break;
  }
}
