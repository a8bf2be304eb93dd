// Lanes of a warp that exchange values through memory, with and without what orders them.
#include <cuda_runtime.h>

__global__ void last_warp(const float* x, float* y) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];
  s[t + 32] = x[t + 32];
  for (int o = 32; o > 0; o /= 2) s[t] += s[t + (t < o ? o : 0)];  // bug 0: deterministic race
  if (t == 0) y[0] = s[0];
}
__device__ void old_reduce(volatile float* s, int t) {
  s[t] += s[t + 32];  // bug 1: deterministic race
  s[t] += s[t + 16];  // bug 1: deterministic race
  s[t] += s[t + 8];   // bug 1: deterministic race
  s[t] += s[t + 4];   // bug 1: deterministic race
}
__global__ void volatile_warp(const float* x, float* y) {
  __shared__ float s[96];
  int t = threadIdx.x;
  s[t] = x[t], s[t + 32] = x[t + 32], s[t + 64] = 0;
  __syncthreads();
  old_reduce(s, t);
  if (t == 0) y[0] = s[0] + s[1] + s[2] + s[3];
}
__global__ void lane_zero_tells(const float* x, float* y) {
  __shared__ float row[4];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (lane == 0) row[warp] = x[warp];
  y[threadIdx.x] = row[warp];  // bug 2: deterministic race
}
__global__ void mask_too_small(const float* x, float* y) {
  __shared__ float s[32];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncwarp(t < 16 ? 0xffffu : 0xffff0000u);
  y[t] = s[31 - t];  // bug 3: deterministic race
}
__global__ void fence_is_no_barrier(const float* x, float* y) {
  __shared__ float s[32];
  s[threadIdx.x] = x[threadIdx.x];
  __threadfence_block();
  y[threadIdx.x] = s[31 - threadIdx.x];  // bug 4: deterministic race
}

__global__ void with_syncwarp(const float* x, float* y) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];
  s[t + 32] = x[t + 32];
  for (int o = 32; o > 0; o /= 2) {
    __syncwarp();
    float v = t < o ? s[t + o] : 0;
    __syncwarp();
    s[t] += v;
  }
  if (t == 0) y[0] = s[0];
}
__global__ void per_warp_tiles(const float* x, float* y) {
  __shared__ float tile[4][32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int i = 0; i < 3; ++i) {
    tile[warp][lane] = x[i * 128 + threadIdx.x];
    __syncwarp();
    float v = tile[warp][31 - lane];
    __syncwarp();
    if (i == 2) y[threadIdx.x] = v;
  }
}
__global__ void halves_of_a_warp(const float* x, float* y) {
  __shared__ float s[32];
  int t = threadIdx.x;
  unsigned half = t < 16 ? 0xffffu : 0xffff0000u;
  s[t] = x[t];
  __syncwarp(half);
  float v = s[t ^ 15];
  __syncwarp();
  s[31 - t] = v;
  __syncwarp();
  y[t] = s[t];
}
__global__ void ordered_by_a_shuffle(const float* x, float* y) {
  __shared__ float s[32];
  int t = threadIdx.x;
  s[t] = x[t];
  float v = __shfl_xor_sync(0xffffffffu, x[t], 1);
  y[t] = v + s[31 - t];
}
__global__ void ordered_by_a_vote(const float* x, float* y) {
  __shared__ int found;
  if (threadIdx.x == 7) found = 7;
  if (__any_sync(0xffffffffu, x[threadIdx.x] > -1e9f)) y[threadIdx.x] = found;
}
// A flag that lanes of the same warp poll, set after a fence.
__global__ void polled_flag(const float* x, float* y) {
  __shared__ volatile int ready;
  __shared__ float value;
  if (threadIdx.x == 0) ready = 0;
  __syncwarp();
  if (threadIdx.x == 31) {
    value = x[0];
    __threadfence_block();
    ready = 1;
  }
  while (ready == 0) {
  }
  __threadfence_block();
  y[threadIdx.x] = value;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: last_warp<<<1, 32, 0, stream>>>(x, y); break;
    case 1: volatile_warp<<<1, 32, 0, stream>>>(x, y); break;
    case 2: lane_zero_tells<<<1, 128, 0, stream>>>(x, y); break;
    case 3: mask_too_small<<<1, 32, 0, stream>>>(x, y); break;
    case 4: fence_is_no_barrier<<<1, 32, 0, stream>>>(x, y); break;
    case 10: with_syncwarp<<<1, 32, 0, stream>>>(x, y); break;
    case 11: per_warp_tiles<<<1, 128, 0, stream>>>(x, y); break;
    case 12: halves_of_a_warp<<<1, 32, 0, stream>>>(x, y); break;
    case 13: ordered_by_a_shuffle<<<1, 32, 0, stream>>>(x, y); break;
    case 14: ordered_by_a_vote<<<1, 32, 0, stream>>>(x, y); break;
    case 15: polled_flag<<<1, 32, 0, stream>>>(x, y); break;
  }
}
