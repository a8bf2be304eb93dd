// Copies that go on in the background, and the barriers and pipelines for them. a[0]: ints, one for each check.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cuda_pipeline.h>

#include <cuda/atomic>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda/std/cstdint>
#include <cuda/std/limits>
#include <cuda/std/type_traits>

namespace cg = cooperative_groups;

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

__device__ float data[512];
__device__ int flag;

__global__ void fill() { data[blockIdx.x * blockDim.x + threadIdx.x] = blockIdx.x * blockDim.x + threadIdx.x; }

// Two stages: while one is added up, the next is on its way.
__global__ void primitives(int* ok) {
  __shared__ float stage[2][64];
  const int t = threadIdx.x;
  __pipeline_memcpy_async(&stage[0][t], &data[t], sizeof(float));
  __pipeline_commit();
  float sum = 0;
  for (int i = 0; i < 8; ++i) {
    if (i < 7) __pipeline_memcpy_async(&stage[(i + 1) % 2][t], &data[(i + 1) * 64 + t], sizeof(float));
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    sum += stage[i % 2][63 - t];
    __syncthreads();
  }
  check(ok, sum == 8 * (63 - t) + 64 * 28);
}

__global__ void groups(int* ok) {
  __shared__ __align__(16) float tile[128];
  auto block = cg::this_thread_block();
  cg::memcpy_async(block, tile, data, sizeof(float) * 128);
  cg::wait(block);
  check(ok++, tile[2 * threadIdx.x] == 2 * threadIdx.x);
  block.sync();
  cg::memcpy_async(block, tile, data + 128, cuda::aligned_size_t<16>(256));
  cg::memcpy_async(block, tile + 64, data + 256, cuda::aligned_size_t<16>(256));
  cg::wait_prior<1>(block);
  check(ok++, tile[threadIdx.x] == 128 + threadIdx.x);
  cg::wait_prior<0>(block);
  check(ok++, tile[64 + threadIdx.x] == 256 + threadIdx.x);
}

__global__ void barriers(int* ok) {
  using barrier = cuda::barrier<cuda::thread_scope_block>;
  __shared__ barrier bar;
  __shared__ __align__(16) float tile[64];
  auto block = cg::this_thread_block();
  if (block.thread_rank() == 0) init(&bar, block.size());
  block.sync();
  cuda::memcpy_async(block, tile, data + 64, sizeof(tile), bar);
  bar.arrive_and_wait();
  float got = tile[63 - threadIdx.x];
  barrier::arrival_token token = bar.arrive();
  got += 1;
  bar.wait(cuda::std::move(token));
  tile[threadIdx.x] = got;
  bar.arrive_and_wait();
  check(ok, tile[threadIdx.x] == 128 - threadIdx.x && tile[0] == 128);
}

__global__ void pipelines(int* ok) {
  constexpr int stages = 2;
  __shared__ __align__(16) float stage[stages][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, stages> state;
  auto block = cg::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  float sum = 0;
  for (int fetched = 0, i = 0; i < 8; ++i) {
    for (; fetched < 8 && fetched < i + stages; ++fetched) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, stage[fetched % stages], data + 64 * fetched, sizeof(float) * 64, pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += stage[i % stages][63 - threadIdx.x];
    pipe.consumer_release();
  }
  check(ok++, sum == 8 * (63 - threadIdx.x) + 64 * 28);
  block.sync();
  auto own = cuda::make_pipeline();
  own.producer_acquire();
  cuda::memcpy_async(&stage[0][threadIdx.x], data + threadIdx.x, sizeof(float), own);
  own.producer_commit();
  own.consumer_wait();
  float mine = stage[0][threadIdx.x];
  own.consumer_release();
  check(ok++, mine == threadIdx.x);
}

// One warp brings data, the other one uses them.
__global__ void roles(int* ok) {
  __shared__ __align__(16) float stage[2][32];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  auto block = cg::this_thread_block();
  const auto role = threadIdx.x < 32 ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer;
  auto pipe = cuda::make_pipeline(block, &state, role);
  float sum = 0;
  for (int i = 0; i < 6; ++i) {
    if (role == cuda::pipeline_role::producer) {
      pipe.producer_acquire();
      cuda::memcpy_async(&stage[i % 2][threadIdx.x], data + 32 * i + threadIdx.x, sizeof(float), pipe);
      pipe.producer_commit();
    } else {
      pipe.consumer_wait();
      sum += stage[i % 2][threadIdx.x - 32];
      pipe.consumer_release();
    }
  }
  check(ok, role == cuda::pipeline_role::producer || sum == 6 * (threadIdx.x - 32) + 32 * 15);
}

__global__ void atomics(int* ok, int* counter) {
  cuda::atomic_ref<int, cuda::thread_scope_device> shared_counter(*counter);
  shared_counter.fetch_add(2, cuda::memory_order_relaxed);
  __syncthreads();
  check(ok++, shared_counter.load() == 128 && cuda::std::numeric_limits<cuda::std::int32_t>::max() == 2147483647);
  if (threadIdx.x == 40) {
    data[0] = 7;
    shared_counter.store(-1, cuda::memory_order_release);
  }
  if (threadIdx.x == 3) {
    while (shared_counter.load(cuda::memory_order_acquire) != -1) {
    }
    if (data[0] == 7) ok[0] = 1;
  }
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  int* counter;
  cudaGetSymbolAddress((void**)&counter, flag);
  cudaMemsetAsync(counter, 0, sizeof(int), stream);
  fill<<<8, 64, 0, stream>>>();
  primitives<<<1, 64, 0, stream>>>(ok);
  groups<<<1, 64, 0, stream>>>(ok + 1);
  barriers<<<1, 64, 0, stream>>>(ok + 4);
  pipelines<<<1, 64, 0, stream>>>(ok + 5);
  roles<<<1, 64, 0, stream>>>(ok + 7);
  atomics<<<1, 64, 0, stream>>>(ok + 8, counter);
}
