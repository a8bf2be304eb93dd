// fails: memory
// the loop ends one element too late: reads and writes at index n
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

// A grid-stride loop: any n is covered by any grid, and the last block needs no case of its own.
template <typename scalar_t>
__global__ void add_kernel(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i <= n; i += step) {
    out[i] = static_cast<scalar_t>(static_cast<float>(x[i]) + static_cast<float>(y[i]));
  }
}

template <typename scalar_t>
void vector_add(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n, cudaStream_t stream) {
  if (n == 0) return;  // a grid without blocks is a launch error
  constexpr int kThreads = 256;
  const int64_t blocks = std::min<int64_t>((n + kThreads - 1) / kThreads, 4096);
  add_kernel<scalar_t><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(out, x, y, n);
}
