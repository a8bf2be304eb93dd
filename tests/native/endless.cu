// Kernels that never end or go too deep, and one that is all right.
#include <cuda_runtime.h>

__device__ int deep(int n, float* y) {
  volatile int room[64];  // deep
  room[n & 63] = n;  // deep
  return n < 0 ? 0 : deep(n + 1, y) + room[(n + 1) & 63];  // deep
}
__global__ void recursive(float* y) { y[0] = deep(threadIdx.x, y); }
__global__ void large(float* y, int n) {
  float a[150000];
  for (int i = 0; i < n; ++i) a[i] = i;  // large
  y[0] = a[n / 2];
}
__global__ void waits(volatile float* y) {
  while (y[0] == 0) {  // waits
  }
}
__global__ void goes_round(float* y, int n) {
  __shared__ float s[64];
  s[threadIdx.x] = 0;
  for (int i = 0; i < n; i += 0) {      // goes_round
    s[threadIdx.x] += 1;                // goes_round
    __syncthreads();                    // goes_round
    y[threadIdx.x] = s[63 - threadIdx.x];  // goes_round
    __syncthreads();                    // goes_round
  }
}
__global__ void divides(float* y, int n) {
  y[threadIdx.x] = 100 / (static_cast<int>(threadIdx.x) - n);  // divides
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  float* y = (float*)a[0];
  switch (which) {
    case 0: recursive<<<1, 32, 0, stream>>>(y); break;
    case 1: large<<<1, 32, 0, stream>>>(y, 60000); break;
    case 2: waits<<<1, 32, 0, stream>>>(y); break;
    case 3: goes_round<<<1, 64, 0, stream>>>(y, 10); break;
    case 4: divides<<<1, 32, 0, stream>>>(y, 7); break;
    case 5: divides<<<1, 32, 0, stream>>>(y, -7); break;
  }
}
