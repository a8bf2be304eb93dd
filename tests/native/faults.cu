// What goes wrong, one case for each number; the line that is to be reported carries the case's name in a comment.
// a[0]: x, 64 floats, read only; a[1]: y, 64 floats.
#include <cuda_runtime.h>
#include <cassert>

__device__ int table[4];

__global__ void past_the_end(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }  // oob_read
__global__ void before_the_start(const float* x, float* y) {
  int i = threadIdx.x;
  y[i - 1] = x[i];  // oob_write
}
__global__ void write_input(const float* x) {
  const_cast<float*>(x)[threadIdx.x] = 1.0f;  // write_input
}
__global__ void misaligned(const float* x, float* y) {
  float4 v = *reinterpret_cast<const float4*>(x + 1);  // misaligned
  y[0] = v.x;
}
__global__ void far_away(float* y) {
  y[1 << 28] = 1.0f;  // illegal_address
}
__global__ void null_pointer(float* y) {
  float* nothing = nullptr;
  y[0] = nothing[threadIdx.x];  // null_pointer
}
__global__ void diverge(float* y) {
  __syncthreads();
  if (threadIdx.x < 40) {
    y[threadIdx.x] = 1.0f;
    __syncthreads();  // left_barrier
  }
}
__global__ void two_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();  // two_barriers
}
__global__ void stuck() {
  if (threadIdx.x < 16)
    __shfl_sync(0xffffffffu, 1, 0);  // deadlock
  else
    __syncthreads();
}
__global__ void bad_mask() {
  if (threadIdx.x == 3) __syncwarp(0xfffffff0u);  // bad_mask
}
__global__ void shared_overrun(float* y, int n) {
  __shared__ float buffer[32];
  __shared__ float guard[64];
  float* p = buffer;
  if (threadIdx.x < 64) guard[threadIdx.x] = 0.0f;
  p[threadIdx.x * n] = 1.0f;
  y[0] = buffer[threadIdx.x + n];  // shared_index
}
__global__ void dynamic_overrun(float* y) {
  extern __shared__ float buffer[];
  buffer[threadIdx.x] = 1.0f;  // dynamic_overrun
  y[0] = buffer[0];
}
__global__ void failing_assert(const float* x) {
  assert(x[threadIdx.x] < 0.0f && "must hold");  // device_assert
}
__global__ void trapped() {
  if (threadIdx.x == 1) __trap();  // trap
}
__global__ void use(float* p, int i) {
  p[i] = 2.0f;  // scratch_overrun
}
__global__ void atomic_outside(int* y) {
  atomicAdd(y + 64 + threadIdx.x, 1);  // atomic_outside
}
__global__ void copy_outside(const float* x, float* y, int n) {
  memcpy(y, x, n * sizeof(float));  // copy_outside
}
__global__ void fine(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x] + table[0]; }

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *scratch;
  switch (which) {
    case 0:
      past_the_end<<<1, 64, 0, stream>>>(x, y);
      break;
    case 1:
      before_the_start<<<1, 64, 0, stream>>>(x, y);
      break;
    case 2:
      write_input<<<1, 64, 0, stream>>>(x);
      break;
    case 3:
      misaligned<<<1, 64, 0, stream>>>(x, y);
      break;
    case 4:
      far_away<<<1, 1, 0, stream>>>(y);
      break;
    case 5:
      null_pointer<<<1, 1, 0, stream>>>(y);
      break;
    case 6:
      diverge<<<1, 64, 0, stream>>>(y);
      break;
    case 7:
      two_barriers<<<1, 64, 0, stream>>>();
      break;
    case 8:
      stuck<<<1, 64, 0, stream>>>();
      break;
    case 9:
      bad_mask<<<1, 32, 0, stream>>>();
      break;
    case 10:
      shared_overrun<<<1, 32, 0, stream>>>(y, 1);
      break;
    case 11:
      dynamic_overrun<<<1, 64, 63 * sizeof(float), stream>>>(y);
      break;
    case 12:
      failing_assert<<<1, 64, 0, stream>>>(x);
      break;
    case 13:
      trapped<<<1, 64, 0, stream>>>();
      break;
    case 14:
      cudaMalloc(&scratch, 16);
      use<<<1, 1, 0, stream>>>(scratch, 4);
      cudaFree(scratch);
      break;
    case 15:
      cudaMalloc(&scratch, 16);
      cudaFree(scratch);
      use<<<1, 1, 0, stream>>>(scratch, 0);
      break;
    case 16:
      atomic_outside<<<1, 1, 0, stream>>>((int*)y);
      break;
    case 17:
      copy_outside<<<1, 1, 0, stream>>>(x, y, 65);
      break;
    case 18:
      fine<<<1, 2048, 0, stream>>>(x, y);
      break;
    case 19:
      fine<<<0, 64, 0, stream>>>(x, y);
      break;
    case 20:
      fine<<<1, 64, 50 << 10, stream>>>(x, y);
      break;
    case 21:
      y[0] = 1.0f;
      break;
    case 22:
      cudaMemsetAsync(y, 0, 65 * sizeof(float), stream);
      break;
    default:
      fine<<<1, 64, 0, stream>>>(x, y);
      break;
  }
}
