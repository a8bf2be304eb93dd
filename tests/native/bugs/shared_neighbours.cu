// Shared arrays that lie side by side: an index that leaves one, by way of a pointer, must not pass for its neighbour's.
#include <cuda_runtime.h>

constexpr int N = 32;

// Of two arrays one comes first in memory, whichever that is: both overruns are met only if there is room between.
__device__ float next_of(const float* a, int t) {
  return a[t + 1];  // bug 0: memory out-of-bounds, bug 1: memory out-of-bounds
}
__global__ void looks_ahead(const float* x, float* y, int in_first, int in_second) {
  __shared__ float first[N];
  __shared__ float second[N];
  first[threadIdx.x] = second[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = 0;
  if (threadIdx.x < in_first) y[threadIdx.x] += next_of(first, threadIdx.x);
  if (threadIdx.x < in_second) y[threadIdx.x] += next_of(second, threadIdx.x);
}

template <class T>
__device__ T* row(T* tile, int r, int pitch) {
  return tile + r * pitch;
}
template <class T, int Rows>
__global__ void one_row_too_many(const T* x, T* y, int rows) {
  __shared__ T a[Rows][N], b[Rows][N];
  for (int r = 0; r < Rows; ++r) a[r][threadIdx.x] = x[threadIdx.x], b[r][threadIdx.x] = 0;
  __syncthreads();
  T sum = 0;
  for (int r = 0; r < rows; ++r) sum += row(&a[0][0], r, N)[threadIdx.x];  // bug 2: memory out-of-bounds
  for (int r = 0; r < rows; ++r) sum += row(&b[0][0], r, N)[threadIdx.x];  // bug 2: memory out-of-bounds
  y[threadIdx.x] = sum;
}

struct Stage {
  float4 words[N / 4];
};
__global__ void vector_past_a_stage(const float* x, float* y, int shift) {
  __shared__ Stage in;
  __shared__ Stage out;
  float* raw = reinterpret_cast<float*>(&in);
  raw[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < N / 4) {
    float4* from = in.words + threadIdx.x;
    float4* to = out.words + threadIdx.x;
    to[0] = from[shift];  // bug 3: memory out-of-bounds
  }
  __syncthreads();
  y[threadIdx.x] = reinterpret_cast<float*>(&out)[threadIdx.x];
}

// Two arrays that take turns: a pointer that is first the one and then the other leaves neither.
__global__ void takes_turns(const float* x, float* y) {
  __shared__ float a[N], b[N];
  float *in = a, *out = b;
  in[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (int step = 0; step < 4; ++step) {
    out[threadIdx.x] = in[N - 1 - threadIdx.x];
    __syncthreads();
    float* last = in;
    in = out, out = last;
  }
  y[threadIdx.x] = in[threadIdx.x];
}
// 48 KiB in three arrays, to the last byte: the room between them is not the kernel's.
__global__ void as_much_as_there_is(const float* x, float* y) {
  __shared__ float a[4096], b[4096], c[4096];
  for (int i = threadIdx.x; i < 4096; i += blockDim.x) a[i] = b[i] = c[i] = x[i % 32];
  __syncthreads();
  y[threadIdx.x] = a[4095 - threadIdx.x] + b[threadIdx.x] + c[4064 + threadIdx.x];
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: looks_ahead<<<1, N, 0, stream>>>(x, y, N, N - 1); break;
    case 1: looks_ahead<<<1, N, 0, stream>>>(x, y, N - 1, N); break;
    case 2: one_row_too_many<float, 4><<<1, N, 0, stream>>>(x, y, 5); break;
    case 3: vector_past_a_stage<<<1, N, 0, stream>>>(x, y, 1); break;
    case 10: looks_ahead<<<1, N, 0, stream>>>(x, y, N - 1, N - 1); break;
    case 12: one_row_too_many<float, 4><<<1, N, 0, stream>>>(x, y, 4); break;
    case 13: vector_past_a_stage<<<1, N, 0, stream>>>(x, y, 0); break;
    case 14: takes_turns<<<1, N, 0, stream>>>(x, y); break;
    case 15: as_much_as_there_is<<<1, N, 0, stream>>>(x, y); break;
  }
}
