// counts the elements of a block in a cuda::atomic, and a cuda::atomic_ref says when the block is done
#include <cuda/atomic>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

template <typename scalar_t>
__global__ void add_kernel(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n) {
  __shared__ cuda::atomic<int, cuda::thread_scope_block> written;
  __shared__ unsigned long long done;
  cuda::atomic_ref<unsigned long long, cuda::thread_scope_block> flag(done);
  if (threadIdx.x == 0) {
    written.store(0, cuda::memory_order_relaxed);
    flag.store(0, cuda::memory_order_relaxed);
  }
  __syncthreads();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) {
    out[i] = static_cast<scalar_t>(static_cast<float>(x[i]) + static_cast<float>(y[i]));
    const int64_t rest = n - static_cast<int64_t>(blockIdx.x) * blockDim.x;
    const int of_block = static_cast<int>(rest < blockDim.x ? rest : blockDim.x);
    if (written.fetch_add(1, cuda::memory_order_acq_rel) == of_block - 1) flag = 1;
  }
}

template <typename scalar_t>
void vector_add(scalar_t* out, const scalar_t* x, const scalar_t* y, int64_t n, cudaStream_t stream) {
  if (n != 0) add_kernel<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(out, x, y, n);
}
