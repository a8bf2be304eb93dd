// cuda::pipeline: two stages, of which one is on its way while the other is used.
#include "checks.h"

#include <cooperative_groups.h>
#include <cuda/pipeline>

constexpr int CHECKS = 1;

namespace cg = cooperative_groups;
__device__ __align__(16) float source[512];
__global__ void fill() { source[blockIdx.x * 64 + threadIdx.x] = blockIdx.x; }
__global__ void staged(int* ok) {
  __shared__ __align__(16) float stage[2][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  auto block = cg::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  float sum = 0;
  for (int next = 0, i = 0; i < 8; ++i) {
    for (; next < 8 && next < i + 2; ++next) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, stage[next % 2], source + 64 * next, sizeof stage[0], pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += stage[i % 2][63 - threadIdx.x];
    pipe.consumer_release();
  }
  check(ok, sum == 28);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  fill<<<8, 64, 0, stream>>>();
  staged<<<1, 64, 0, stream>>>(ok);
}
