// Mistakes with what threads do together. The comment on a line is how the test finds it. a[0]: 64 floats, an input;
// a[1]: 64 floats.
#include <cooperative_groups.h>
#include <mma.h>

#include <cstdint>
#include <cuda/barrier>

namespace cg = cooperative_groups;

__global__ void grid_sync_alone(float* y) {
  y[threadIdx.x] = 1;
  cg::this_grid().sync();  // grid_sync_alone
}

__global__ void grid_sync_of_some() {
  if (blockIdx.x % 2 == 0) return;
  cg::this_grid().sync();  // grid_sync_of_some
}

__global__ void async_overrun(const float* x, float* y) {
  __shared__ float tile[32];
  unsigned int address = __cvta_generic_to_shared(&tile[threadIdx.x]);
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;\n" ::"r"(address), "l"(x + 33 + threadIdx.x));  // async_overrun
  asm volatile("cp.async.wait_all;\n" ::: "memory");
  __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x];
}

__global__ void async_misaligned(const float* x) {
  __shared__ __align__(16) float tile[128];
  unsigned int address = __cvta_generic_to_shared(&tile[4 * threadIdx.x]);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(x + 1));  // async_misaligned
  asm volatile("cp.async.wait_all;\n" ::: "memory");
}

// Reads the tile before the copies into it are waited for.
__global__ void async_too_early(const float* x, float* y) {
  __shared__ float tile[32];
  unsigned int address = __cvta_generic_to_shared(&tile[threadIdx.x]);
  tile[threadIdx.x] = -1;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;\n" ::"r"(address), "l"(x + threadIdx.x));
  asm volatile("cp.async.commit_group;\n");
  y[threadIdx.x] = tile[threadIdx.x];
  asm volatile("cp.async.wait_group 0;\n" ::: "memory");
}

__global__ void ldmatrix_misaligned(float* y) {
  __shared__ __align__(16) unsigned short tile[8 * 9 + 8];
  for (int i = threadIdx.x; i < 80; i += 32) tile[i] = i;
  __syncwarp();
  uint32_t a, address = __cvta_generic_to_shared(&tile[threadIdx.x % 8 * 9 + 1]);
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(a) : "r"(address));  // ldmatrix_misaligned
  y[threadIdx.x] = a;
}

__global__ void barrier_short_of_one() {
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  if (threadIdx.x == 0) init(&bar, 33);
  __syncthreads();
  bar.arrive_and_wait();  // barrier_short_of_one
}

__global__ void wmma_overrun(const float* x, float* y) {
  using namespace nvcuda;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
  wmma::load_matrix_sync(c, x, 16, wmma::mem_row_major);  // wmma_overrun
  if (c.x[0] == 0.5f) y[0] = 1;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = static_cast<const float*>(a[0]);
  float* y = static_cast<float*>(a[1]);
  void* none[1] = {nullptr};
  switch (which) {
    case 0:
      grid_sync_alone<<<1, 64, 0, stream>>>(y);
      break;
    case 1:
      cudaLaunchCooperativeKernel((void*)grid_sync_of_some, 4, 64, none, 0, stream);
      break;
    case 2:
      cudaLaunchCooperativeKernel((void*)grid_sync_of_some, 1000, 1024, none, 0, stream);
      break;
    case 3:
      async_overrun<<<1, 32, 0, stream>>>(x, y);
      break;
    case 4:
      async_misaligned<<<1, 32, 0, stream>>>(x);
      break;
    case 5:
      ldmatrix_misaligned<<<1, 32, 0, stream>>>(y);
      break;
    case 6:
      barrier_short_of_one<<<1, 32, 0, stream>>>();
      break;
    case 7:
      wmma_overrun<<<1, 32, 0, stream>>>(x, y);
      break;
    case 8:
      async_too_early<<<1, 32, 0, stream>>>(x, y);
      break;
  }
}
