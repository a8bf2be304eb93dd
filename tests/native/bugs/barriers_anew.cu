// Synchronisation that is used again, or made anew, and does not order what it seems to.
#include <cooperative_groups.h>
#include <cuda/atomic>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda_runtime.h>
#include <new>

namespace cg = cooperative_groups;
using Barrier = cuda::barrier<cuda::thread_scope_block>;

__device__ __forceinline__ void named_sync(int id, int count) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}
__device__ __forceinline__ void named_arrive(int id, int count) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
}

// One warp fills a buffer in each round, another one reads it. Without `all`, the reader waits in the first round only.
__global__ void waits_once(const float* x, float* y, bool all) {
  __shared__ Barrier full, empty;
  __shared__ float s[32];
  if (threadIdx.x == 0) init(&full, 64), init(&empty, 64);
  __syncthreads();
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 2; ++i) {
    if (threadIdx.x < 32) {
      if (i > 0) empty.arrive_and_wait();
      s[lane] = x[32 * i + lane];  // bug 0: deterministic race
      (void)full.arrive();
    } else {
      auto token = full.arrive();
      if (i == 0 || all) full.wait(std::move(token));
      y[32 * i + lane] = s[31 - lane];  // bug 0: deterministic race
      if (i == 0) (void)empty.arrive();
    }
  }
}
// Numbered barriers, new ones for each round; the writer does not wait until the buffer has been read.
__global__ void overwrites(const float* x, float* y, bool waits) {
  __shared__ float s[32];
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 3; ++i) {
    if (threadIdx.x < 32) {
      if (i > 0 && waits) named_sync(4 + i, 64);
      s[lane] = x[32 * i + lane];  // bug 1: deterministic race
      named_arrive(1 + i, 64);
    } else {
      named_sync(1 + i, 64);
      y[32 * i + lane] = s[31 - lane];  // bug 1: deterministic race
      if (i < 2 && waits) named_arrive(5 + i, 64);
    }
  }
}
// A barrier is made anew while other threads may still test it.
__global__ void remade_too_soon(const float* x, float* y, bool meets) {
  __shared__ Barrier bar;
  __shared__ float s[64];
  if (threadIdx.x == 0) init(&bar, 64);
  __syncthreads();
  s[threadIdx.x] = x[threadIdx.x];
  bar.arrive_and_wait();  // bug 2: deterministic race
  if (meets) __syncthreads();
  if (threadIdx.x == 0) init(&bar, 64);  // bug 2: deterministic race
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
// A barrier is used before all know that it was made.
__global__ void used_too_soon(const float* x, float* y, bool meets) {
  __shared__ Barrier bar;
  __shared__ float s[64];
  if (threadIdx.x == 0) init(&bar, 64);
  __syncthreads();
  if (threadIdx.x == 63) init(&bar, 64);  // bug 3: deterministic race
  if (meets) __syncthreads();
  s[threadIdx.x] = x[threadIdx.x];
  (void)bar.arrive();  // bug 3: deterministic race
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
// A stage of a pipeline is read again after it was released.
__global__ void released(const float* x, float* y, bool early) {
  __shared__ float stage[2][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  const bool producer = threadIdx.x < 64;
  const int lane = threadIdx.x % 64;
  auto pipe = cuda::make_pipeline(cg::this_thread_block(), &state,
                                  producer ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer);
  for (int i = 0; i < 6; ++i) {
    if (producer) {
      pipe.producer_acquire();
      stage[i % 2][lane] = x[64 * i + lane];  // bug 4: deterministic race
      pipe.producer_commit();
    } else {
      pipe.consumer_wait();
      if (early) pipe.consumer_release();
      y[64 * i + lane] = stage[i % 2][63 - lane];  // bug 4: deterministic race
      if (!early) pipe.consumer_release();
    }
  }
}
// A flag tells of the first round; the second one is read without waiting for it.
__global__ void second_round(const float* x, float* y, bool waits) {
  __shared__ cuda::atomic<int, cuda::thread_scope_block> flag, taken;
  __shared__ float box;
  if (threadIdx.x == 0) flag = 0, taken = 0;
  __syncthreads();
  for (int i = 1; i <= 2; ++i) {
    if (threadIdx.x == 0) {
      while (taken.load(cuda::memory_order_acquire) < i - 1) continue;
      box = x[i];  // bug 5: deterministic race
      flag.store(i, cuda::memory_order_release);
    }
    if (threadIdx.x == 32) {
      if (i == 1 || waits)
        while (flag.load(cuda::memory_order_acquire) < i) continue;
      y[i] = box;  // bug 5: deterministic race
      if (i == 1) taken.store(1, cuda::memory_order_release);
    }
  }
}
// Only the second block forgets to wait: what the first one knows of the barrier does not help it.
__global__ void one_block_forgets(const float* x, float* y, bool all) {
  __shared__ float s[64];
  s[threadIdx.x] = x[64 * blockIdx.x + threadIdx.x];  // bug 6: deterministic race
  if (blockIdx.x == 0 || all || threadIdx.x >= 32)
    named_sync(1, 64);
  else
    named_arrive(1, 64);
  y[64 * blockIdx.x + threadIdx.x] = s[63 - threadIdx.x];  // bug 6: deterministic race
}
// A tile of two warps does not wait for the other tile.
template <int Size>
__global__ void other_tile(const float* x, float* y) {
  __shared__ float s[128];
  s[threadIdx.x] = x[threadIdx.x];  // bug 7: deterministic race
  cg::tiled_partition<Size>(cg::this_thread_block()).sync();
  y[threadIdx.x] = s[127 - threadIdx.x];  // bug 7: deterministic race
}
// Two threads store different values, and that is the last thing that their block does.
__global__ void last_stores(const float* x, bool differ) {
  extern __shared__ float room[];
  room[threadIdx.x % 16] = x[differ ? threadIdx.x : threadIdx.x % 16];  // bug 8: deterministic race
}
// An object is made while others call it.
struct Base {
  __device__ virtual float get() const { return 1; }
};
struct Derived : Base {
  float value;
  __device__ explicit Derived(float v) : value(v) {}  // bug 9: deterministic race
  __device__ float get() const override { return value; }
};
__global__ void made_again(const float* x, float* y, bool meets) {
  __shared__ alignas(16) unsigned char room[sizeof(Derived)];
  const Base* object = reinterpret_cast<const Base*>(room);
  if (threadIdx.x == 0) new (room) Base;
  __syncthreads();
  if (meets) y[threadIdx.x] = object->get();
  if (meets) __syncthreads();
  if (threadIdx.x == 0) new (room) Derived(x[0]);  // bug 9: deterministic race
  if (meets) __syncthreads();
  if (!meets || threadIdx.x > 0) y[threadIdx.x] = object->get();  // bug 9: deterministic race
}
// A barrier that nothing has made in this block.
__global__ void never_made(float* y) {
  __shared__ Barrier bar;
  if (blockIdx.x == 0 && threadIdx.x == 0) init(&bar, 32);
  __syncthreads();
  bar.arrive_and_wait();  // bug 10: memory uninitialised, bug 10: runs invalid-barrier
  y[threadIdx.x] = 1;
}
extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: waits_once<<<1, 64, 0, stream>>>(x, y, false); break;
    case 1: overwrites<<<2, 64, 0, stream>>>(x, y, false); break;
    case 2: remade_too_soon<<<1, 64, 0, stream>>>(x, y, false); break;
    case 3: used_too_soon<<<1, 64, 0, stream>>>(x, y, false); break;
    case 4: released<<<1, 128, 0, stream>>>(x, y, true); break;
    case 5: second_round<<<1, 64, 0, stream>>>(x, y, false); break;
    case 6: one_block_forgets<<<2, 64, 0, stream>>>(x, y, false); break;
    case 7: other_tile<64><<<1, 128, 0, stream>>>(x, y); break;
    case 8: last_stores<<<2, 64, 64, stream>>>(x, true); break;
    case 9: made_again<<<1, 64, 0, stream>>>(x, y, false); break;
    case 10: never_made<<<2, 32, 0, stream>>>(y); break;
    case 20: waits_once<<<1, 64, 0, stream>>>(x, y, true); break;
    case 21: overwrites<<<1, 64, 0, stream>>>(x, y, true); break;
    case 22: remade_too_soon<<<2, 64, 0, stream>>>(x, y, true); break;
    case 23: used_too_soon<<<1, 64, 0, stream>>>(x, y, true); break;
    case 24: released<<<1, 128, 0, stream>>>(x, y, false); break;
    case 25: second_round<<<1, 64, 0, stream>>>(x, y, true); break;
    case 26: one_block_forgets<<<2, 64, 0, stream>>>(x, y, true); break;
    case 27: other_tile<128><<<1, 128, 0, stream>>>(x, y); break;
    case 28: last_stores<<<2, 64, 64, stream>>>(x, false); break;
    case 29: made_again<<<1, 64, 0, stream>>>(x, y, true); break;
  }
}
