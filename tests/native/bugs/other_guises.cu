// Further guises of faults that other files have in one: see FAMILIES in tests/unit/test_native_bugs.py.
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

constexpr int N = 128, FULL = 0xffffffff;

// A scan in place, where a step's reads and writes need a barrier between them.
template <bool Between>
__global__ void scan_in_place(const float* x, float* y) {
  __shared__ float s[N];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  for (int o = 1; o < N; o *= 2) {
    float v = t >= o ? s[t - o] : 0;  // bug 0: deterministic race
    if (Between) __syncthreads();
    s[t] += v;  // bug 0: deterministic race
    __syncthreads();
  }
  y[t] = s[t];
}
// Threads scatter to where others scatter too.
__global__ void scatter(const float* x, float* z, int buckets, bool atomic) {
  int i = blockIdx.x * N + threadIdx.x;
  if (atomic)
    atomicAdd(&z[i % buckets], x[i]);
  else
    z[i % buckets] = z[i % buckets] + x[i];  // bug 1: deterministic race
}
// A flag that says that the data is there, with no fence between the two.
template <bool Fence>
__global__ void announces(const float* x, float* z, volatile int* flag, float* y) {
  if (blockIdx.x == 0) {
    if (threadIdx.x == 0) {
      z[0] = x[0] + 1;  // bug 2: deterministic race
      if (Fence) __threadfence();
      *flag = 1;
    }
  } else if (threadIdx.x == 0) {
    while (*flag == 0)
      ;
    if (Fence) __threadfence();
    y[0] = z[0];  // bug 2: deterministic race
  }
}
// The best few of a row, kept in order; one place is missing where the loop moves them up.
template <int Kept>
__global__ void best_few(const float* x, float* y, int room) {
  float best[Kept];
  for (int k = 0; k < Kept; ++k) best[k] = -1e30f;
  for (int i = 0; i < 32; ++i)
    for (int k = room - 1; k >= 0 && best[k] < x[i]; --k) {  // bug 3: memory out-of-bounds
      if (k + 1 < room) best[k + 1] = best[k];
      best[k] = x[i];
    }
  y[threadIdx.x] = best[0];
}
// Some threads return in the middle of a loop with barriers.
__global__ void gives_up(const float* x, float* y, bool alone) {
  __shared__ float s[64];
  for (int step = 0; step < 4; ++step) {
    s[threadIdx.x] = x[step * 64 + threadIdx.x];
    __syncthreads();  // bug 4: runs barrier-divergence
    float v = s[63 - threadIdx.x];
    if (alone && threadIdx.x >= 40 && step == 1) return;
    __syncthreads();  // bug 4: runs barrier-divergence
    y[threadIdx.x] = v;
  }
}
// Half of a warp waits in a vote of all, the other half in a shuffle.
__global__ void votes_apart(const float* x, float* y, bool apart) {
  float v = x[threadIdx.x];
  if (apart && threadIdx.x % 2)
    v += __any_sync(FULL, v > 0);  // bug 5: runs deadlock
  else if (apart)
    v = __shfl_xor_sync(FULL, v, 2);  // bug 5: runs deadlock
  else
    v = __shfl_xor_sync(FULL, v, 2) + __any_sync(FULL, v > 0);
  y[threadIdx.x] = v;
}
// The mask of the branch's other side.
__global__ void other_side(const float* x, float* y, bool wrong) {
  float v = x[threadIdx.x];
  unsigned low = 0x0000ffff, high = 0xffff0000;
  if (threadIdx.x < 16)
    v += __shfl_down_sync(low, v, 1);
  else
    v += __shfl_down_sync(wrong ? low : high, v, 1);  // bug 6: runs invalid-mask
  y[threadIdx.x] = v;
}
// Threads beyond the end return, and nobody fills their part.
__global__ void leaves_early(const float* x, float* y, int n, bool fills) {
  __shared__ float s[64];
  if (fills) s[threadIdx.x] = 0;
  if (fills) __syncwarp();
  if (threadIdx.x < n) s[threadIdx.x] = x[threadIdx.x];
  if (!fills && threadIdx.x >= n) return;
  __syncthreads();
  for (int o = 32; o > 0; o /= 2) {
    if (threadIdx.x < o) s[threadIdx.x] += s[threadIdx.x + o];  // bug 7: memory uninitialised
    __syncthreads();
  }
  if (threadIdx.x == 0) y[0] = s[0];
}
__global__ void rows_that_leave(const float* x, float* y, int rows, bool fills) {
  __shared__ float tile[8][9];
  if (threadIdx.y >= rows && !fills) return;
  tile[threadIdx.y][threadIdx.x] = threadIdx.y < rows ? x[threadIdx.y * 8 + threadIdx.x] : 0;
  __syncthreads();
  y[threadIdx.y * 8 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];  // bug 8: memory uninitialised
}
// Copies in the background that nobody waits for, or not for the right one.
template <int Pending>
__global__ void too_early(const float* x, float* y) {
  __shared__ __align__(16) float s[2][N];
  for (int k = 0; k < 2; ++k) {
    if (threadIdx.x < N / 4) __pipeline_memcpy_async(&s[k][4 * threadIdx.x], x + k * N + 4 * threadIdx.x, 16);
    __pipeline_commit();
  }
  if (Pending < 2) __pipeline_wait_prior(Pending);
  __syncthreads();
  y[threadIdx.x] = s[0][threadIdx.x] + s[1][N - 1 - threadIdx.x];  // bug 9: memory uninitialised, bug 10: memory uninitialised
}
__global__ void store(float* y) { y[threadIdx.x] = 1; }
__global__ void dynamic_store(float* y) {
  extern __shared__ float s[];
  s[threadIdx.x] = 1;
  y[threadIdx.x] = s[threadIdx.x];
}
// A table of the module's own.
__device__ float table[64];
__global__ void in_a_symbol(float* y, int n) {
  if (threadIdx.x < n) table[threadIdx.x] = 1;  // bug 17: memory out-of-bounds
  y[threadIdx.x] = 2;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float *y = (float*)a[1], *z = (float*)a[2];
  int* flag = (int*)z + 512;
  auto together = [&](void (*kernel)(const float*, float*, volatile int*, float*)) {
    void* all[] = {&x, &z, &flag, &y};
    cudaLaunchCooperativeKernel((void*)kernel, dim3(2), dim3(32), all, 0, stream);
  };
  switch (which) {
    case 0: scan_in_place<false><<<1, N, 0, stream>>>(x, y); break;
    case 1: scatter<<<4, N, 0, stream>>>(x, z, 200, false); break;
    case 2: together(announces<false>); break;
    case 3: best_few<4><<<1, 32, 0, stream>>>(x, y, 5); break;
    case 4: gives_up<<<1, 64, 0, stream>>>(x, y, true); break;
    case 5: votes_apart<<<1, 32, 0, stream>>>(x, y, true); break;
    case 6: other_side<<<1, 32, 0, stream>>>(x, y, true); break;
    case 7: leaves_early<<<1, 64, 0, stream>>>(x, y, 40, false); break;
    case 8: rows_that_leave<<<1, dim3(8, 8), 0, stream>>>(x, y, 5, false); break;
    case 9: too_early<2><<<1, N, 0, stream>>>(x, y); break;
    case 10: too_early<1><<<1, N, 0, stream>>>(x, y); break;
    case 11: store<<<1, 1025, 0, stream>>>(y); break;              // bug 11: runs launch-error
    case 12: store<<<0, 64, 0, stream>>>(y); break;                // bug 12: runs launch-error
    case 13: store<<<1, dim3(4, 4, 65), 0, stream>>>(y); break;    // bug 13: runs launch-error
    case 14: dynamic_store<<<1, 64, 49153, stream>>>(y); break;    // bug 14: runs launch-error
    case 15: dynamic_store<<<1, 64, 240000, stream>>>(y); break;   // bug 15: runs launch-error
    case 20: scan_in_place<true><<<1, N, 0, stream>>>(x, y); break;
    case 21: scatter<<<4, N, 0, stream>>>(x, z, 200, true); break;
    case 22: together(announces<true>); break;
    case 23: best_few<5><<<1, 32, 0, stream>>>(x, y, 5); break;
    case 24: gives_up<<<1, 64, 0, stream>>>(x, y, false); break;
    case 25: votes_apart<<<1, 32, 0, stream>>>(x, y, false); break;
    case 26: other_side<<<1, 32, 0, stream>>>(x, y, false); break;
    case 27: leaves_early<<<1, 64, 0, stream>>>(x, y, 40, true); break;
    case 28: rows_that_leave<<<1, dim3(8, 8), 0, stream>>>(x, y, 5, true); break;
    case 29: too_early<0><<<1, N, 0, stream>>>(x, y); break;
    case 30: store<<<1, 1024, 0, stream>>>(y); break;
    case 31: dynamic_store<<<1, 64, 49152, stream>>>(y); break;
    case 17: in_a_symbol<<<1, 128, 0, stream>>>(y, 65); break;
    case 32: in_a_symbol<<<1, 128, 0, stream>>>(y, 64); break;
  }
}
