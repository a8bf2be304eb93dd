// Barriers, flags and objects that are made anew at one place: in each block, in each round. Each case checks its result.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda/atomic>
#include <chrono>
#include <cuda/barrier>
#include <cuda/latch>
#include <cuda/pipeline>
#include <cuda/semaphore>
#include <cuda_runtime.h>
#include <new>

namespace cg = cooperative_groups;
using Barrier = cuda::barrier<cuda::thread_scope_block>;

constexpr int B = 3, T = 128, ROUNDS = 5;

__device__ __forceinline__ void named_sync(int id, int count) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}
__device__ __forceinline__ void named_arrive(int id, int count) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
}
// What each block adds to its result: 1 for each thread that saw what it should.
__device__ void count(int* out, bool right) { atomicAdd(out + blockIdx.x, right ? 1 : 0); }

// 0: a producing warp and three consuming ones, two buffers, four numbered barriers.
__global__ void numbered(int* out) {
  __shared__ int ring[2][32];
  const int lane = threadIdx.x % 32;
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) {
    const int slot = i % 2;
    if (threadIdx.x < 32) {
      if (i >= 2) named_sync(5 + slot, T);
      ring[slot][lane] = 100 * blockIdx.x + 10 * i + lane;
      named_arrive(7 + slot, T);
    } else {
      named_sync(7 + slot, T);
      right &= ring[slot][31 - lane] == int(100 * blockIdx.x + 10 * i + 31 - lane);
      if (i + 2 < ROUNDS) named_arrive(5 + slot, T);
    }
  }
  count(out, right);
}
// 1: a barrier that is destroyed and constructed again in each round.
__global__ void remade(int* out) {
  __shared__ alignas(alignof(Barrier)) unsigned char room[sizeof(Barrier)];
  __shared__ int s[T];
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) {
    Barrier* bar = reinterpret_cast<Barrier*>(room);
    if (threadIdx.x == 0) new (room) Barrier(T);
    __syncthreads();
    s[threadIdx.x] = i * threadIdx.x;
    bar->arrive_and_wait();
    right &= s[T - 1 - threadIdx.x] == int(i * (T - 1 - threadIdx.x));
    bar->arrive_and_wait();
    if (threadIdx.x == 0) bar->~Barrier();
    __syncthreads();
  }
  count(out, right);
}
// 2: a barrier where data were before, with an arrival for each warp.
__global__ void over_data(int* out) {
  extern __shared__ unsigned char arena[];
  int* numbers = reinterpret_cast<int*>(arena);
  numbers[threadIdx.x] = threadIdx.x;
  __syncthreads();
  const int other = numbers[threadIdx.x ^ 1];
  __syncthreads();
  Barrier* full = reinterpret_cast<Barrier*>(arena);
  int* values = reinterpret_cast<int*>(full + 1);
  if (threadIdx.x == 0) init(full, T / 32);
  __syncthreads();
  bool right = other == int(threadIdx.x ^ 1);
  for (int i = 0; i < ROUNDS; ++i) {
    values[T * (i % 2) + threadIdx.x] = other + i;
    __syncwarp();
    if (threadIdx.x % 32 == 0) (void)full->arrive();
    full->wait_parity(i % 2);
    right &= values[T * (i % 2) + (threadIdx.x + 32) % T] == int((threadIdx.x + 32) % T ^ 1) + i;
  }
  count(out, right);
}
// 3: a pipeline of three stages with roles. 4: made twice on the same state.
template <int Stages>
__device__ bool roles(cuda::pipeline_shared_state<cuda::thread_scope_block, Stages>* state, int (*ring)[64],
                      const int* x) {
  const bool producer = threadIdx.x < 64;
  auto pipe = cuda::make_pipeline(cg::this_thread_block(), state,
                                  producer ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer);
  bool right = true;
  for (int i = 0; i < 2 * Stages + 1; ++i) {
    int* slot = ring[i % Stages];
    if (producer) {
      pipe.producer_acquire();
      cuda::memcpy_async(slot + threadIdx.x, x + 64 * i + threadIdx.x, sizeof(int), pipe);
      pipe.producer_commit();
    } else {
      pipe.consumer_wait();
      right &= slot[127 - threadIdx.x] == int(64 * i + 127 - threadIdx.x);
      pipe.consumer_release();
    }
  }
  return right;
}
__global__ void with_roles(const int* x, int* out) {
  __shared__ int ring[3][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 3> state;
  count(out, roles<3>(&state, ring, x));
}
__global__ void made_twice(const int* x, int* out) {
  __shared__ int ring[2][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  bool right = roles<2>(&state, ring, x);
  __syncthreads();
  right &= roles<2>(&state, ring, x);
  count(out, right);
}
// 5: a flag in shared memory, set by hand in each round; 6: by cuda::atomic.
__global__ void flagged(int* out) {
  __shared__ volatile int flag, seen;
  __shared__ int box;
  if (threadIdx.x == 0) flag = seen = 0;
  __syncthreads();
  bool right = true;
  for (int i = 1; i <= ROUNDS; ++i) {
    if (threadIdx.x == 0) {
      while (seen != i - 1) continue;
      __threadfence_block();
      box = i * i;
      __threadfence_block();
      flag = i;
    }
    if (threadIdx.x == 64) {
      while (flag != i) continue;
      __threadfence_block();
      right &= box == i * i;
      __threadfence_block();
      seen = i;
    }
  }
  count(out, right);
}
__global__ void atomically(int* out) {
  __shared__ cuda::atomic<int, cuda::thread_scope_block> flag;
  __shared__ int box;
  if (threadIdx.x == 0) flag = 0;
  __syncthreads();
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) {
    if (threadIdx.x == 0) {
      while (flag.load(cuda::memory_order_acquire) != 2 * i) continue;
      box = 7 * i;
      flag.store(2 * i + 1, cuda::memory_order_release);
    }
    if (threadIdx.x == 64) {
      while (flag.load(cuda::memory_order_acquire) != 2 * i + 1) continue;
      right &= box == 7 * i;
      flag.store(2 * i + 2, cuda::memory_order_release);
    }
  }
  count(out, right);
}
// 7: warps that drop out of a barrier, one in each round.
__global__ void dropping(int* out) {
  __shared__ Barrier bar;
  __shared__ int s[T];
  if (threadIdx.x == 0) init(&bar, T);
  __syncthreads();
  bool right = true;
  for (int i = 0; i < T / 32; ++i) {
    if (threadIdx.x / 32 < i) break;
    s[threadIdx.x] = i;
    auto token = bar.arrive();
    while (!bar.try_wait_for(std::move(token), std::chrono::nanoseconds(1))) continue;
    right &= s[T - 1 - threadIdx.x % 32] == i;
    if (threadIdx.x / 32 == i)
      bar.arrive_and_drop();
    else
      bar.arrive_and_wait();
  }
  count(out, right);
}
// 8: tiles of several warps.
template <class Tile>
__device__ bool tile_works(const Tile& tile, int* s) {
  const int rank = tile.thread_rank(), size = tile.size(), first = tile.meta_group_rank() * size;
  s[threadIdx.x] = rank;
  tile.sync();
  bool right = s[first + size - 1 - rank] == size - 1 - rank;
  right &= cg::reduce(tile, rank, cg::plus<int>()) == size * (size - 1) / 2;
  right &= cg::reduce(tile, float(rank), cg::greater<float>()) == float(size - 1);
  right &= cg::inclusive_scan(tile, rank) == rank * (rank + 1) / 2;
  right &= cg::exclusive_scan(tile, 1, cg::plus<int>()) == rank;
  right &= tile.shfl(3 * rank, size - 1) == 3 * (size - 1);
  right &= tile.any(rank == size - 1) && !tile.any(rank < 0) && tile.all(rank >= 0) && !tile.all(rank == 0);
  const auto warp = cg::tiled_partition<32>(tile);
  right &= int(warp.meta_group_size()) == size / 32 && int(warp.meta_group_rank()) == rank / 32;
  tile.sync();
  return right;
}
__global__ void tiles(int* out) {
  __shared__ int s[T];
  __shared__ cg::block_tile_memory<T> scratch;
  auto block = cg::this_thread_block(scratch);
  auto whole = cg::tiled_partition<128>(block);
  cg::thread_block_tile<64> half = cg::tiled_partition<64>(whole);
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) right &= tile_works(half, s) && tile_works(whole, s);
  count(out, right && half.meta_group_size() == 2 && whole.meta_group_rank() == 0);
}
// 9: whole warps leave, one between each two barriers; 10: before barriers with a number.
__global__ void leaving(int* out) {
  __shared__ int s[T];
  bool right = true;
  for (int left = T; left > 0; left -= 32) {
    s[threadIdx.x] = left + threadIdx.x;
    right &= __syncthreads_count(1) == left;
    right &= s[left - 1 - threadIdx.x] == int(2 * left - 1 - threadIdx.x);
    if (threadIdx.x >= left - 32) break;
    __syncthreads();
  }
  count(out, right);
}
__global__ void leaving_numbered(int* out) {
  __shared__ int s[T];
  s[threadIdx.x] = threadIdx.x;
  asm volatile("bar.sync 3;" ::: "memory");
  bool right = s[T - 1 - threadIdx.x] == int(T - 1 - threadIdx.x);
  count(out, right);
  if (threadIdx.x >= 64) return;
  asm volatile("bar.sync 3;" ::: "memory");
  s[threadIdx.x] = 5;
  named_sync(4, 64);
  right &= s[63 - threadIdx.x] == 5;
  named_sync(3, 64);
  s[threadIdx.x] = 6;
  asm volatile("barrier.sync 3, 64;" ::: "memory");
  right &= s[63 - threadIdx.x] == 6;
  if (!right) atomicSub(out + blockIdx.x, 1);
}
// 11: the same value, stored last by many threads of many blocks.
__device__ int agreed[16], agreed_flag;
__global__ void last_stores(const int* x, int* out) {
  extern __shared__ int shared[];
  out[blockIdx.x] = T;
  agreed[threadIdx.x % 16] = x[threadIdx.x % 16];
  agreed_flag = 1;
  shared[threadIdx.x % 16] = x[threadIdx.x % 16];
}
// 12: objects with virtual functions, by placement new in shared and in global memory.
struct Shape {
  __device__ virtual int area() const = 0;
  __device__ virtual ~Shape() {}
};
struct Square : Shape {
  int side;
  __device__ explicit Square(int s) : side(s) {}
  __device__ int area() const override { return side * side; }
};
struct Strip : Shape {
  __device__ int area() const override { return 3; }
};
__device__ alignas(16) unsigned char global_room[B][sizeof(Square)];
__global__ void virtual_objects(int* out) {
  __shared__ alignas(16) unsigned char room[sizeof(Square)], small[sizeof(Strip)];
  Shape *square = reinterpret_cast<Shape*>(room), *strip = reinterpret_cast<Shape*>(small);
  Shape* global = reinterpret_cast<Shape*>(global_room[blockIdx.x]);
  bool right = true;
  for (int i = 1; i < ROUNDS; ++i) {
    if (threadIdx.x == 0) new (room) Square(i);
    if (threadIdx.x == 32) new (small) Strip;
    if (threadIdx.x == 64) new (global) Square(10 * i);
    __syncthreads();
    right &= square->area() == i * i && strip->area() == 3 && global->area() == 100 * i * i;
    __syncthreads();
    if (threadIdx.x == 0) square->~Shape();
    if (threadIdx.x == 64) global->~Shape();
  }
  count(out, right);
}
// 13: a barrier of all blocks, in global memory; 14: one block passes on what it has learned from the others.
__device__ alignas(8) unsigned char grid_room[sizeof(cuda::barrier<cuda::thread_scope_device>)];
__global__ void of_the_grid(int* parts, int* out) {
  auto* bar = reinterpret_cast<cuda::barrier<cuda::thread_scope_device>*>(grid_room);
  if (cg::this_grid().thread_rank() == 0) init(bar, B * T);
  cg::this_grid().sync();
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) {
    parts[blockIdx.x * T + threadIdx.x] = i;
    bar->arrive_and_wait();
    right &= parts[(blockIdx.x + 1) % B * T + threadIdx.x] == i;
    bar->arrive_and_wait();
  }
  count(out, right);
}
__device__ int told_to;
__device__ volatile int* told() { return &told_to; }
__global__ void passed_on(int* parts, int* out) {
  __shared__ Barrier bar;
  if (threadIdx.x == 0) init(&bar, T);
  __syncthreads();
  parts[blockIdx.x * T + threadIdx.x] = blockIdx.x;
  if (threadIdx.x == 0 && blockIdx.x > 0) {
    while (*told() != int(blockIdx.x)) continue;
    __threadfence();
  }
  bar.arrive_and_wait();
  bool right = true;
  for (int b = 0; b < int(blockIdx.x); ++b) right &= parts[b * T + T - 1 - threadIdx.x] == b;
  (void)bar.arrive();
  if (threadIdx.x == T - 1) {
    bar.wait_parity(true);
    __threadfence();
    *told() = blockIdx.x + 1;
  }
  count(out, right);
}
// 15: a latch for each round, and a semaphore that hands a box to and fro.
__global__ void latches(int* out) {
  __shared__ cuda::latch<cuda::thread_scope_block> latch;
  __shared__ cuda::binary_semaphore<cuda::thread_scope_block> filled, taken;
  __shared__ int box, s[T];
  if (threadIdx.x == 0) init(&filled, 0), init(&taken, 1);
  bool right = true;
  for (int i = 0; i < ROUNDS; ++i) {
    if (threadIdx.x == 0) init(&latch, T / 32);
    __syncthreads();
    s[threadIdx.x] = i;
    __syncwarp();
    if (threadIdx.x % 32 == 0) latch.count_down();
    latch.wait();
    right &= s[T - 1 - threadIdx.x] == i;
    if (threadIdx.x == 0) taken.acquire(), box = i, filled.release();
    if (threadIdx.x == 32) filled.acquire(), right &= box == i, taken.release();
    __syncthreads();
  }
  count(out, right);
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t) {
  int h[1024], *x, *out, *parts;
  for (int i = 0; i < 1024; ++i) h[i] = i;
  cudaMalloc(&x, sizeof h);
  cudaMalloc(&out, B * sizeof(int));
  cudaMalloc(&parts, B * T * sizeof(int));
  cudaMemcpy(x, h, sizeof h, cudaMemcpyHostToDevice);
  cudaMemset(out, 0, B * sizeof(int));
  const int zero = 0;
  cudaMemcpyToSymbol(told_to, &zero, sizeof zero);
  void* arguments[] = {&parts, &out};
  switch (which) {
    case 0: numbered<<<B, T>>>(out); break;
    case 1: remade<<<B, T>>>(out); break;
    case 2: over_data<<<B, T, 8 * T + 64>>>(out); break;
    case 3: with_roles<<<B, T>>>(x, out); break;
    case 4: made_twice<<<B, T>>>(x, out); break;
    case 5: flagged<<<B, T>>>(out); break;
    case 6: atomically<<<B, T>>>(out); break;
    case 7: dropping<<<B, T>>>(out); break;
    case 8: tiles<<<B, T>>>(out); break;
    case 9: leaving<<<B, T>>>(out); break;
    case 10: leaving_numbered<<<B, T>>>(out); break;
    case 11: last_stores<<<B, T, 64>>>(x, out); break;
    case 12: virtual_objects<<<B, T>>>(out); break;
    case 13: cudaLaunchCooperativeKernel((void*)of_the_grid, dim3(B), dim3(T), arguments, 0, nullptr); break;
    case 15: latches<<<B, T>>>(out); break;
    case 14: cudaLaunchCooperativeKernel((void*)passed_on, dim3(B), dim3(T), arguments, 0, nullptr); break;
  }
  int r[B];
  cudaMemcpy(r, out, sizeof r, cudaMemcpyDeviceToHost);
  bool ok = true;
  for (int block : r) ok &= block == T;
  const float verdict = ok ? 1 : 0;
  cudaMemcpy(a[1], &verdict, 4, cudaMemcpyHostToDevice);
  cudaFree(x), cudaFree(out), cudaFree(parts);
}
