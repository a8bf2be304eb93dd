// Threads that say who they are, and wait for each other to do it in order.
#include <cstdio>

__global__ void greet(int* turn) {
  for (int i = 0; i < blockDim.x; ++i) {
    if (i == threadIdx.x) printf("hello from thread %d of block %d\n", threadIdx.x, blockIdx.x);
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(turn, 1);
}

int main() {
  int* turn;
  cudaMallocManaged(&turn, sizeof(int));
  *turn = 0;
  greet<<<1, 3>>>(turn);
  cudaDeviceSynchronize();
  printf("%d block\n", *turn);
  cudaFree(turn);
  return 0;
}
