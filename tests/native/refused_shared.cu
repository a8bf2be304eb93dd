// 16 bytes more static shared memory than a kernel may have: nvcc refuses it, the cpu device when it is launched.
#include <cuda_runtime.h>

__global__ void greedy(float* out) {
  __shared__ float buffer[12288 + 4];
  for (int i = threadIdx.x; i < 12292; i += blockDim.x) buffer[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = buffer[12291];
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  greedy<<<1, 128, 0, stream>>>(static_cast<float*>(a[0]));
}
