// Accesses beside what they are meant for.
#include <cuda_runtime.h>

__global__ void one_too_far(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i <= n; i += blockDim.x) y[i % 64] = x[i];  // bug 0: memory out-of-bounds
}
__global__ void no_guard(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i % n];  // bug 1: memory out-of-bounds
}
__global__ void before(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] - x[(int)threadIdx.x - 1];  // bug 2: memory out-of-bounds
}
__global__ void vector_tail(const float4* x, float4* y, int n) {
  if (threadIdx.x < n) y[threadIdx.x] = x[threadIdx.x];  // bug 3: memory out-of-bounds
}
__global__ void neighbouring_arrays(const float* x, float* y) {
  __shared__ float a[32];
  __shared__ float b[32];
  b[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  a[threadIdx.x + 1] = 0;  // bug 4: memory out-of-bounds
  __syncthreads();
  y[threadIdx.x] = b[threadIdx.x];
}
__global__ void rows_of_a_tile(const float* x, float* y) {
  __shared__ float tile[8][8];
  tile[threadIdx.y][threadIdx.x + threadIdx.y / 7] = x[threadIdx.x];  // bug 5: memory out-of-bounds
  __syncthreads();
  y[threadIdx.x] = tile[0][threadIdx.x];
}
__global__ void dynamic(const float* x, float* y) {
  extern __shared__ float s[];
  s[threadIdx.x] = x[threadIdx.x];  // bug 6: memory out-of-bounds
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];  // bug 6: memory out-of-bounds
}
__global__ void local_array(const float* x, float* y, int n) {
  float v[4] = {};
  for (int i = 0; i <= n; ++i) v[i] = x[i];  // bug 7: memory out-of-bounds
  y[threadIdx.x] = v[0] + v[threadIdx.x % 4];
}
__global__ void misaligned(const float* x, float* y) {
  float4 v = *reinterpret_cast<const float4*>(x + threadIdx.x);  // bug 8: runs misaligned-address
  y[threadIdx.x] = v.x;
}
__global__ void misaligned_pair(const short* x, int* y) {
  y[threadIdx.x] = *reinterpret_cast<const int*>(x + 1 + threadIdx.x);  // bug 9: runs misaligned-address
}
__global__ void normalise_in_place(float* x, float* y) {
  x[threadIdx.x] *= 2;  // bug 10: inputs write-to-input
  y[threadIdx.x] = x[threadIdx.x];
}
__global__ void count_in_input(const float* x, float* y) {
  y[threadIdx.x] = atomicAdd((float*)x, 1.0f);  // bug 11: inputs write-to-input
}

__global__ void guarded(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] - (i > 0 ? x[i - 1] : 0);
}
__global__ void vectors_and_tail(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (i < n / 4) reinterpret_cast<float4*>(y)[i] = reinterpret_cast<const float4*>(x)[i];
  if (i < n % 4) y[n / 4 * 4 + i] = x[n / 4 * 4 + i];
}
__global__ void padded_tile(const float* x, float* y) {
  __shared__ float tile[8][9];
  tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 8 + threadIdx.x];
  __syncthreads();
  y[threadIdx.y * 8 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: one_too_far<<<1, 64, 0, stream>>>(x, y, 1024); break;
    case 1: no_guard<<<9, 128, 0, stream>>>(x, y, 1024); break;
    case 2: before<<<1, 64, 0, stream>>>(x, y); break;
    case 3: vector_tail<<<1, 320, 0, stream>>>((const float4*)x, (float4*)y, 257); break;
    case 4: neighbouring_arrays<<<1, 32, 0, stream>>>(x, y); break;
    case 5: rows_of_a_tile<<<1, dim3(8, 8), 0, stream>>>(x, y); break;
    case 6: dynamic<<<1, 64, 63 * 4, stream>>>(x, y); break;
    case 7: local_array<<<1, 4, 0, stream>>>(x, y, 4); break;
    case 8: misaligned<<<1, 32, 0, stream>>>(x, y); break;
    case 9: misaligned_pair<<<1, 32, 0, stream>>>((const short*)x, (int*)y); break;
    case 10: normalise_in_place<<<1, 64, 0, stream>>>((float*)x, y); break;
    case 11: count_in_input<<<1, 64, 0, stream>>>(x, y); break;
    case 20: guarded<<<9, 128, 0, stream>>>(x, y, 1024); break;
    case 21: vectors_and_tail<<<1, 64, 0, stream>>>(x, y, 63); break;
    case 22: padded_tile<<<1, dim3(8, 8), 0, stream>>>(x, y); break;
  }
}
