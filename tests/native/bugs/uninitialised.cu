// Memory that is read before anything wrote it, and the same when something did.
#include <cuda_runtime.h>

__global__ void part_of_an_array(const float* x, float* y, int n) {
  __shared__ float s[64];
  if (threadIdx.x < n) s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < 64; ++i) sum += s[i];  // bug 0: memory uninitialised
  y[threadIdx.x] = sum;
}
__global__ void padding_of_a_tile(const float* x, float* y, int n) {
  extern __shared__ float d[];
  d[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = d[threadIdx.x] + d[threadIdx.x + 1] + d[threadIdx.x + 2];  // bug 1: memory uninitialised
}
__global__ void add_to(const float* x, float* y) {
  y[threadIdx.x] += x[threadIdx.x];  // bug 2: memory uninitialised, bug 4: memory uninitialised
}
__global__ void add_atomically(const float* x, float* y) {
  atomicAdd(y + threadIdx.x % 4, x[threadIdx.x]);  // bug 3: memory uninitialised
}
__global__ void copy(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];  // bug 5: memory uninitialised
}
// The first block leaves something in shared memory, on which the second counts.
__global__ void from_the_block_before(float* y) {
  __shared__ float kept[32];
  if (blockIdx.x == 0) kept[threadIdx.x] = 1;
  __syncthreads();
  y[blockIdx.x * 32 + threadIdx.x] = kept[threadIdx.x];  // bug 6: memory uninitialised
}
__global__ void bytes(unsigned char* y) {
  __shared__ unsigned char s[32];
  if (threadIdx.x != 5) s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[31 - threadIdx.x];  // bug 7: memory uninitialised
}

__global__ void whole_array(const float* x, float* y, int n) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x < n ? x[threadIdx.x] : 0;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < 64; ++i) sum += s[i];
  y[threadIdx.x] = sum;
}
__global__ void set_then_add(const float* x, float* y) {
  y[threadIdx.x] = 1;
  y[threadIdx.x] += x[threadIdx.x];
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *scratch;
  cudaMalloc(&scratch, 256);
  switch (which) {
    case 0: part_of_an_array<<<2, 64, 0, stream>>>(x, y, 60); break;
    case 1: padding_of_a_tile<<<1, 64, 66 * 4, stream>>>(x, y, 64); break;
    case 2: add_to<<<1, 64, 0, stream>>>(x, y); break;
    case 3: add_atomically<<<1, 64, 0, stream>>>(x, y); break;
    case 4: add_to<<<1, 64, 0, stream>>>(x, scratch); break;
    case 5:
      cudaMemsetAsync(scratch, 0, 63 * 4, stream);
      copy<<<1, 64, 0, stream>>>(scratch, y);
      break;
    case 6: from_the_block_before<<<2, 32, 0, stream>>>(y); break;
    case 7: bytes<<<1, 32, 0, stream>>>((unsigned char*)y); break;
    case 10: whole_array<<<1, 64, 0, stream>>>(x, y, 60); break;
    case 11:
      cudaMemsetAsync(y, 0, 256, stream);
      add_to<<<1, 64, 0, stream>>>(x, y);
      add_atomically<<<1, 64, 0, stream>>>(x, y);
      break;
    case 12:
      cudaMemsetAsync(scratch, 0, 100, stream);
      cudaMemcpyAsync(scratch + 25, x, 156, cudaMemcpyDeviceToDevice, stream);
      copy<<<1, 64, 0, stream>>>(scratch, y);
      add_to<<<1, 64, 0, stream>>>(x, scratch);
      break;
    case 13: set_then_add<<<1, 64, 0, stream>>>(x, y); break;
  }
  cudaFree(scratch);
}
