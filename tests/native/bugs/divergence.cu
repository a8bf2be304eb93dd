// Barriers and warp operations that not all of those reach who are meant to.
#include <cuda_runtime.h>

__global__ void barrier_in_a_branch(const float* x, float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < 24) {
    s[threadIdx.x] += s[threadIdx.x + 24];
    __syncthreads();  // bug 0: runs barrier-divergence
  }
  if (threadIdx.x == 0) y[0] = s[0];
}
__global__ void barrier_in_an_uneven_loop(float* y) {
  for (int i = threadIdx.x; i < 100; i += blockDim.x) {
    y[i] = i;
    __syncthreads();  // bug 1: runs barrier-divergence
  }
}
__global__ void two_barriers(float* y) {
  if (threadIdx.x < 32)
    __syncthreads();  // bug 2: runs barrier-divergence
  else
    __syncthreads();  // bug 2: runs barrier-divergence
}
__global__ void shuffle_in_a_branch(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x < 16) v += __shfl_down_sync(0xffffffffu, v, 8);  // bug 3: memory inactive-lane
  y[threadIdx.x] = v;
}
__global__ void shuffle_against_barrier(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x % 2)
    v = __shfl_xor_sync(0xffffffffu, v, 1);  // bug 4: runs deadlock
  else
    __syncthreads();
  y[threadIdx.x] = v;
}
__global__ void reads_a_lane_outside(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x < 16) v = __shfl_sync(0x0000ffffu, v, threadIdx.x + 16);  // bug 5: memory inactive-lane
  y[threadIdx.x] = v;
}
__global__ void reads_a_lane_that_returned(const float* x, float* y, int n) {
  if (threadIdx.x >= n) return;
  float v = x[threadIdx.x];
  for (int o = 16; o > 0; o /= 2) v += __shfl_down_sync(0xffffffffu, v, o);  // bug 6: memory inactive-lane
  if (threadIdx.x == 0) y[0] = v;
}
__global__ void across_the_edge(const int* x, int* y) {
  unsigned lanes = __ballot_sync(0xffffffffu, threadIdx.x < 20);
  int v = x[threadIdx.x];
  if (threadIdx.x < 20) v = __shfl_xor_sync(lanes, v, 16);  // bug 7: memory inactive-lane
  y[threadIdx.x] = v;
}
__global__ void not_in_the_mask(float* y) {
  __syncwarp(0xfffffffeu);  // bug 8: runs invalid-mask
  y[threadIdx.x] = 0;
}
__global__ void returned_between(float* y) {
  __syncthreads();
  if (threadIdx.x > 40) return;
  y[threadIdx.x] = 1;
  __syncthreads();  // bug 9: runs barrier-divergence
}

// Since Volta a thread that has returned counts as arrived. A whole warp may return between two barriers.
__global__ void a_warp_returns(const float* x, float* y) {
  __shared__ float s[96];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x >= 64) return;
  const float sum = s[threadIdx.x] + s[95 - threadIdx.x];
  __syncthreads();
  s[threadIdx.x] = sum;
  if (__syncthreads_and(threadIdx.x < 64)) y[threadIdx.x] = s[63 - threadIdx.x];
}
__global__ void early_return(const float* x, float* y, int n) {
  __shared__ float s[64];
  if (threadIdx.x >= n) return;
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[n - 1 - threadIdx.x];
}
__global__ void few_lanes(const float* x, float* y) {
  if (threadIdx.x < 8) {
    float v = x[threadIdx.x];
    for (int o = 4; o > 0; o /= 2) v += __shfl_down_sync(0xffu, v, o);
    if (threadIdx.x == 0) y[0] = v;
  }
}
__global__ void same_number_of_rounds(float* y) {
  for (int base = 0; base < 100; base += blockDim.x) {
    int i = base + threadIdx.x;
    if (i < 100) y[i] = i;
    __syncthreads();
  }
}
__global__ void segments(const float* x, float* y) {
  float v = x[threadIdx.x];
  for (int o = 4; o > 0; o /= 2) v += __shfl_xor_sync(0xffffffffu, v, o, 8);
  y[threadIdx.x] = v;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: barrier_in_a_branch<<<1, 64, 0, stream>>>(x, y); break;
    case 1: barrier_in_an_uneven_loop<<<1, 64, 0, stream>>>(y); break;
    case 2: two_barriers<<<1, 64, 0, stream>>>(y); break;
    case 3: shuffle_in_a_branch<<<1, 32, 0, stream>>>(x, y); break;
    case 4: shuffle_against_barrier<<<1, 32, 0, stream>>>(x, y); break;
    case 5: reads_a_lane_outside<<<1, 32, 0, stream>>>(x, y); break;
    case 6: reads_a_lane_that_returned<<<1, 32, 0, stream>>>(x, y, 20); break;
    case 7: across_the_edge<<<1, 32, 0, stream>>>((const int*)x, (int*)y); break;
    case 8: not_in_the_mask<<<1, 32, 0, stream>>>(y); break;
    case 9: returned_between<<<1, 64, 0, stream>>>(y); break;
    case 20: early_return<<<1, 64, 0, stream>>>(x, y, 50); break;
    case 21: few_lanes<<<1, 64, 0, stream>>>(x, y); break;
    case 22: same_number_of_rounds<<<1, 64, 0, stream>>>(y); break;
    case 24: a_warp_returns<<<2, 96, 0, stream>>>(x, y); break;
    case 23: segments<<<1, 64, 0, stream>>>(x, y); break;
  }
}
