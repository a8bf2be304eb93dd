// Threads of a block that meet in shared memory, with and without the barrier between them.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

constexpr int N = 128;

__global__ void sum_without_first(const float* x, float* y) {
  __shared__ float s[N];
  int t = threadIdx.x;
  s[t] = x[t];
  for (int o = N / 2; o > 0; o /= 2) {
    if (t < o) s[t] += s[t + o];  // bug 0: deterministic race
    __syncthreads();
  }
  if (t == 0) y[0] = s[0];
}
__global__ void sum_without_any(const float* x, float* y) {
  extern __shared__ float d[];
  int t = threadIdx.x;
  d[t] = x[t];
  __syncthreads();
  for (int o = N / 2; o > 0; o /= 2)
    if (t < o) d[t] += d[t + o];  // bug 1: deterministic race
  if (t == 0) y[0] = d[0];        // bug 1: deterministic race
}
__global__ void turned(const float* x, float* y) {
  __shared__ float tile[16][17];
  tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 16 + threadIdx.x];
  y[threadIdx.x * 16 + threadIdx.y] = tile[threadIdx.x][threadIdx.y];  // bug 2: deterministic race
}
template <bool Second>
__global__ void tiles(const float* x, float* y) {
  __shared__ float tile[N];
  float sum = 0;
  for (int base = 0; base < 4 * N; base += N) {
    tile[threadIdx.x] = x[base + threadIdx.x];  // bug 3: deterministic race
    __syncthreads();
    for (int i = 0; i < N; ++i) sum += tile[i];  // bug 3: deterministic race
    if (Second) __syncthreads();
  }
  y[threadIdx.x] = sum;
}
__global__ void broadcast(const float* x, float* y) {
  __shared__ float mean;
  if (threadIdx.x == 0) mean = x[0] * 2;
  y[threadIdx.x] = mean;  // bug 4: deterministic race
}
__global__ void halves(float* y) {
  __shared__ __half s[N];
  int t = threadIdx.x;
  s[t] = __float2half(t);
  y[t] = __half2float(s[t ^ 33]);  // bug 5: deterministic race
}
__device__ float block_sum(float v, bool guarded) {
  __shared__ float warps[32];
  for (int o = 16; o > 0; o /= 2) v += __shfl_down_sync(0xffffffffu, v, o);
  if (guarded) __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;  // bug 6: deterministic race
  __syncthreads();
  v = 0;
  for (unsigned w = 0; w < blockDim.x / 32; ++w) v += warps[w];  // bug 6: deterministic race
  return v;
}
__global__ void two_sums(const float* x, float* y, bool guarded) {
  float a = block_sum(x[threadIdx.x], guarded), b = block_sum(x[threadIdx.x] * a, guarded);
  y[threadIdx.x] = a + b;
}
__global__ void bytes(unsigned char* y) {
  __shared__ unsigned char s[N];
  s[threadIdx.x] = threadIdx.x;
  __syncthreads();
  s[(threadIdx.x + 40) % N] = s[threadIdx.x] + 1;  // bug 7: deterministic race
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

__global__ void right_sum(const float* x, float* y) {
  __shared__ float s[N];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  for (int o = N / 2; o > 0; o /= 2) {
    if (t < o) s[t] += s[t + o];
    __syncthreads();
  }
  if (t == 0) y[0] = s[0];
}
__global__ void double_buffer(const float* x, float* y) {
  __shared__ float tile[2][N];
  float sum = 0;
  tile[0][threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (int i = 0; i < 6; ++i) {
    tile[(i + 1) % 2][threadIdx.x] = x[(i + 1) * N + threadIdx.x];
    sum += tile[i % 2][N - 1 - threadIdx.x];
    __syncthreads();
  }
  y[threadIdx.x] = sum;
}
// Warps with different tasks: one loads, three compute, and barriers that all of them reach on different lines.
__global__ void specialised(const float* x, float* y) {
  __shared__ float stage[2][96];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float sum = 0;
  for (int i = 0; i < 5; ++i) {
    if (warp == 0) {
      if (i < 4)
        for (int k = lane; k < 96; k += 32) stage[i % 2][k] = x[i * 96 + k];
    } else if (i > 0) {
      sum += stage[(i - 1) % 2][95 - (threadIdx.x - 32)];
    }
    __syncthreads();
  }
  if (warp > 0) y[threadIdx.x - 32] = sum;
}
__global__ void half_pairs(float* y) {
  __shared__ __half s[2 * N];
  int t = threadIdx.x;
  s[2 * t] = __float2half(t);
  s[2 * t + 1] = __float2half(-t);
  __syncthreads();
  __half2 pair = reinterpret_cast<__half2*>(s)[N - 1 - t];
  y[t] = __low2float(pair) + __high2float(pair);
}
__global__ void scan(const float* x, float* y) {
  __shared__ float a[N], b[N];
  float *in = a, *out = b;
  in[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (int o = 1; o < N; o *= 2) {
    out[threadIdx.x] = in[threadIdx.x] + (threadIdx.x >= o ? in[threadIdx.x - o] : 0.0f);
    __syncthreads();
    float* other = in;
    in = out, out = other;
  }
  y[threadIdx.x] = in[threadIdx.x];
}
// Every thread stores the same, and reads it back.
__global__ void agreed(const float* x, float* y, int n) {
  __shared__ int count;
  count = n;
  y[threadIdx.x] = x[threadIdx.x] * count;
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t stream) {
  const float* x = (const float*)a[0];
  float* y = (float*)a[1];
  switch (which) {
    case 0: sum_without_first<<<1, N, 0, stream>>>(x, y); break;
    case 1: sum_without_any<<<1, N, N * 4, stream>>>(x, y); break;
    case 2: turned<<<1, dim3(16, 16), 0, stream>>>(x, y); break;
    case 3: tiles<false><<<1, N, 0, stream>>>(x, y); break;
    case 4: broadcast<<<1, N, 0, stream>>>(x, y); break;
    case 5: halves<<<1, N, 0, stream>>>(y); break;
    case 6: two_sums<<<1, N, 0, stream>>>(x, y, false); break;
    case 7: bytes<<<1, N, 0, stream>>>((unsigned char*)y); break;
    case 10: right_sum<<<1, N, 0, stream>>>(x, y); break;
    case 11: tiles<true><<<1, N, 0, stream>>>(x, y); break;
    case 12: double_buffer<<<1, N, 0, stream>>>(x, y); break;
    case 13: specialised<<<1, N, 0, stream>>>(x, y); break;
    case 14: two_sums<<<1, N, 0, stream>>>(x, y, true); break;
    case 15: half_pairs<<<1, N, 0, stream>>>(y); break;
    case 16: scan<<<1, N, 0, stream>>>(x, y); break;
    case 17: agreed<<<1, N, 0, stream>>>(x, y, 3); break;
  }
}
