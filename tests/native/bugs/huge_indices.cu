// Index arithmetic in int that runs over, and then leads away; and arithmetic that runs over and harms nobody.
#include <cuda_runtime.h>

__global__ void rows_of_a_big_matrix(const float* x, float* y, int pitch, int limit) {
  int row = blockIdx.x, column = threadIdx.x;
  int i = row * pitch + column;       // bug 0: memory integer-overflow
  if (i < limit) y[column] = x[i];    // bug 0: memory illegal-address
}
template <class Index>
__device__ float element(const float* x, Index batch, Index size, Index i) {
  return x[batch * size + i];  // bug 1: memory integer-overflow, bug 1: memory illegal-address
}
__global__ void batches(const float* x, float* y, int size, bool wide) {
  int batch = 4 * gridDim.x;
  y[threadIdx.x] = wide ? element<size_t>(x, batch / 4096, size, threadIdx.x) : element<int>(x, batch, size, threadIdx.x);
}
__global__ void steps(const float* x, float* y, int stride, int n) {
  int i = threadIdx.x;
  float sum = 0;
  while (i < n) {
    sum += x[i];  // bug 2: memory illegal-address
    i += stride;  // bug 2: memory integer-overflow
  }
  y[threadIdx.x] = sum;
}

__global__ void wide_rows(const float* x, float* y, int pitch, int limit) {
  long long row = blockIdx.x, column = threadIdx.x, i = row * pitch + column;
  if (i < limit) y[column] = x[i];
}
// Signed numbers that are meant to wrap around: a generator, a hash.
__global__ void generator(float* y, int n) {
  int state = threadIdx.x * 7919 + 1;
  for (int i = 0; i < 20; ++i) state = state * 1103515245 + 12345;
  unsigned hash = 2166136261u;
  for (int i = 0; i < 4; ++i) hash = (hash ^ (state >> 8 * i & 255)) * 16777619u;
  y[(unsigned)state % n] = 1;
  y[hash % n] = 1;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: rows_of_a_big_matrix<<<4, 32, 0, stream>>>(x, y, 1000000000, 1024); break;
    case 1: batches<<<1, 32, 0, stream>>>(x, y, 536870912, false); break;
    case 2: steps<<<1, 32, 0, stream>>>(x, y, 2000000000, 2147483647); break;
    case 10: wide_rows<<<4, 32, 0, stream>>>(x, y, 1000000000, 1024); break;
    case 11: batches<<<1, 32, 0, stream>>>(x, y, 536870912, true); break;
    case 12: steps<<<1, 32, 0, stream>>>(x, y, 1000, 1024); break;
    case 13: generator<<<1, 32, 0, stream>>>(y, 1024); break;
  }
}
