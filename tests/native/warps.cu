// Barriers, warp shuffles, votes, matches and reductions. a[0]: ints, one for each check, 1 if it held.
#include <cuda_runtime.h>

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

__global__ void shuffles(int* ok) {
  const unsigned full = 0xffffffffu;
  int t = threadIdx.x, lane = t & 31, base = t - lane;
  check(ok++, __shfl_sync(full, t, 5) == base + 5);
  check(ok++, __shfl_sync(full, t, 37) == base + 5);
  check(ok++, __shfl_sync(full, t, 3, 8) == (t & ~7) + 3);
  check(ok++, __shfl_up_sync(full, t, 1) == (lane == 0 ? t : t - 1));
  check(ok++, __shfl_up_sync(full, t, 3, 8) == (t % 8 < 3 ? t : t - 3));
  check(ok++, __shfl_down_sync(full, t, 31) == (lane == 0 ? t + 31 : t));
  check(ok++, __shfl_down_sync(full, t, 4, 16) == (t % 16 + 4 > 15 ? t : t + 4));
  check(ok++, __shfl_xor_sync(full, t, 1) == (t ^ 1));
  check(ok++, __shfl_xor_sync(full, t, 16) == (t ^ 16));
  check(ok++, __shfl_xor_sync(full, 2.5 * t, 2) == 2.5 * (t ^ 2));
  check(ok++, __shfl_sync(full, (long long)t << 40, 1) == (long long)(base + 1) << 40);
  float sum = t;
#pragma unroll
  for (int offset = warpSize / 2; offset > 0; offset >>= 1) sum += __shfl_down_sync(full, sum, offset);
  check(ok++, lane != 0 || sum == 32.0f * base + 496.0f);
}

__global__ void votes(int* ok) {
  const unsigned full = 0xffffffffu;
  int t = threadIdx.x, lane = t & 31;
  check(ok++, __ballot_sync(full, lane % 2) == 0xaaaaaaaau);
  check(ok++, __any_sync(full, t == 40) == (t >= 32));
  check(ok++, __all_sync(full, t != 40) == (t < 32));
  check(ok++, __syncthreads_count(t % 3 == 0) == 22);
  check(ok++, __syncthreads_or(t == 63) != 0);
  check(ok++, __syncthreads_and(t < 63) == 0);
  check(ok++, __match_any_sync(full, lane % 4) == 0x11111111u << (lane % 4));
  int all = 7;
  check(ok++, __match_all_sync(full, t / 32, &all) == full && all);
  check(ok++, __match_all_sync(full, t, &all) == 0 && !all);
  check(ok++, __reduce_add_sync(full, lane) == 496);
  check(ok++, __reduce_max_sync(full, lane - 20) == 11);
  check(ok++, __reduce_min_sync(full, lane - 20) == -20);
  check(ok++, __reduce_max_sync(full, unsigned(lane - 20)) == 0xffffffffu);
  check(ok++, __reduce_or_sync(full, 1u << lane) == full);
}

// Some lanes only: their mask names them, the others go elsewhere.
__global__ void parts(int* ok) {
  int t = threadIdx.x, lane = t & 31, seen = -1;
  if (lane < 8) {
    seen = __shfl_xor_sync(0x000000ffu, t, 4);
    __syncwarp(0xff);
  } else if (lane >= 16) {
    seen = __reduce_add_sync(0xffff0000u, 1);
  }
  check(ok++, seen == (lane < 8 ? (t ^ 4) : lane < 16 ? -1 : 16));
  unsigned active = 0;
  if (lane % 3 == 0) active = __activemask();
  check(ok++, active == (lane % 3 == 0 ? 0x49249249u : 0u));
}

// A block that does not fill its last warp, and threads that leave before the barrier.
__global__ void partial(int* ok, int n) {
  __shared__ float sums[2];
  int t = threadIdx.x;
  if (t >= n) return;
  float value = 1.0f;
  unsigned mask = t < 32 ? 0xffffffffu : (1u << (n - 32)) - 1;
  for (int offset = 16; offset > 0; offset /= 2) {
    float other = __shfl_down_sync(mask, value, offset);
    if ((t & 31) + offset < (t < 32 ? 32 : n - 32)) value += other;
  }
  if (t % 32 == 0) sums[t / 32] = value;
  __syncthreads();
  if (t == 0) *ok = sums[0] + sums[1] == n;
}

// Warps at different paces, and barriers in a loop.
__global__ void pace(int* ok) {
  __shared__ int turn[64];
  int t = threadIdx.x, wrong = 0;
  for (int round = 0; round < 20; ++round) {
    turn[t] = round;
    for (int i = 0; i < t % 7; ++i) __syncwarp(__activemask());
    __syncthreads();
    wrong += turn[(t + round) % 64] != round;
    __syncthreads();
  }
  check(ok, wrong == 0);
}

// A lock, and a flag that another thread of the block sets: the waiting thread must let the others go on.
__global__ void waiting(int* ok) {
  __shared__ int lock, sum;
  __shared__ volatile int ready;
  if (threadIdx.x == 0) lock = sum = 0, ready = 0;
  __syncthreads();
  for (bool done = false; !done;) {
    if (atomicCAS(&lock, 0, 1) == 0) {
      sum = sum + 1;
      __threadfence_block();
      atomicExch(&lock, 0);
      done = true;
    }
  }
  if (threadIdx.x == 63) ready = 1;
  while (ready == 0) {
  }
  __syncthreads();
  if (threadIdx.x == 0) *ok = sum == 64;
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  shuffles<<<1, 64, 0, stream>>>(ok);
  votes<<<1, 64, 0, stream>>>(ok + 12);
  parts<<<1, 64, 0, stream>>>(ok + 26);
  partial<<<1, 64, 0, stream>>>(ok + 28, 45);
  pace<<<3, 64, 0, stream>>>(ok + 29);
  waiting<<<1, 64, 0, stream>>>(ok + 30);
}
