// Whole algorithms whose threads touch each other's data in ways that are right. Each case checks its result.
#include <cuda/atomic>
#include <cooperative_groups.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

constexpr int N = 1024, T = 128, B = N / T;

// A binary tree: the children of i are 2i + 1 and 2i + 2.
// 0: breadth first with a frontier; a node is taken by whoever is the first.
__global__ void expand(const int* frontier, int size, int* next, int* next_size, int* visited, int* depth, int level) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  int node = frontier[i];
  depth[node] = level;
  for (int child = 2 * node + 1; child <= 2 * node + 2 && child < N; ++child)
    if (visited[child] == 0 && atomicExch(&visited[child], 1) == 0) next[atomicAdd(next_size, 1)] = child;
}
// 1: breadth first by masks, as in Rodinia: many threads store the same cost and set the same flags.
__global__ void costs(int* mask, int* updating, const int* visited, int* cost) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (!mask[i]) return;
  mask[i] = 0;
  for (int k = 0; k < 4; ++k) {
    int neighbour = (i * 3 + k * 5 + 1) % N;
    if (visited[neighbour]) continue;
    cost[neighbour] = cost[i] + 1;
    updating[neighbour] = 1;
  }
}
__global__ void masks(int* mask, int* updating, int* visited, int* over) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (!updating[i]) return;
  mask[i] = visited[i] = 1;
  *over = 0;
  updating[i] = 0;
}
// 2: connected components, by hooking with atomicMin.
__device__ int root_of(volatile int* parent, int i) {
  while (parent[i] != i) i = parent[i];
  return i;
}
__global__ void hook(int* parent) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, other = (i + 4) % N;
  int a = root_of(parent, i), b = root_of(parent, other);
  while (a != b) {
    int high = a > b ? a : b, low = a > b ? b : a;
    int old = atomicMin(&parent[high], low);
    if (old == high) break;
    a = root_of(parent, old), b = root_of(parent, low);
  }
}
// 3: a bitonic sort.
__global__ void bitonic(const float* x, float* y) {
  __shared__ float s[256];
  int t = threadIdx.x;
  s[t] = x[t], s[t + T] = x[t + T];
  for (int k = 2; k <= 256; k *= 2)
    for (int j = k / 2; j > 0; j /= 2) {
      __syncthreads();
      int i = 2 * t - (t & (j - 1)), p = i + j;
      bool up = (i & k) == 0;
      if ((s[i] > s[p]) == up) {
        float v = s[i];
        s[i] = s[p], s[p] = v;
      }
    }
  __syncthreads();
  y[t] = s[t], y[t + T] = s[t + T];
}
// 4: an exclusive scan, up and down a tree.
__global__ void blelloch(const float* in, float* out) {
  extern __shared__ float tree[];
  int t = threadIdx.x, offset = 1;
  tree[2 * t] = in[2 * t], tree[2 * t + 1] = in[2 * t + 1];
  for (int d = T; d > 0; d >>= 1) {
    __syncthreads();
    if (t < d) tree[offset * (2 * t + 2) - 1] += tree[offset * (2 * t + 1) - 1];
    offset *= 2;
  }
  if (t == 0) tree[2 * T - 1] = 0;
  for (int d = 1; d < 2 * T; d *= 2) {
    offset >>= 1;
    __syncthreads();
    if (t < d) {
      int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
      float v = tree[a];
      tree[a] = tree[b];
      tree[b] += v;
    }
  }
  __syncthreads();
  out[2 * t] = tree[2 * t], out[2 * t + 1] = tree[2 * t + 1];
}
// 5: a softmax in one pass; the pair that the warps agree on goes through shared memory, which is used again.
struct Pair {
  float most, sum;
};
__device__ Pair merge(Pair a, Pair b) {
  float most = fmaxf(a.most, b.most);
  return {most, a.sum * expf(a.most - most) + b.sum * expf(b.most - most)};
}
__global__ void softmax(const float* x, float* y) {
  __shared__ Pair warps[T / 32];
  for (int row = blockIdx.x; row < 4; row += gridDim.x) {
    Pair p{-1e30f, 0};
    for (int i = threadIdx.x; i < 256; i += T) p = merge(p, {x[row * 256 + i], 1});
    for (int o = 16; o > 0; o >>= 1)
      p = merge(p, {__shfl_xor_sync(~0u, p.most, o), __shfl_xor_sync(~0u, p.sum, o)});
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = p;
    __syncthreads();
    p = warps[0];
    for (int w = 1; w < T / 32; ++w) p = merge(p, warps[w]);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += T) y[row * 256 + i] = expf(x[row * 256 + i] - p.most) / p.sum;
  }
}
// 6: a transposition in place, by pairs of tiles.
__global__ void transpose(float* m) {
  __shared__ float a[16][17], b[16][17];
  if (blockIdx.y > blockIdx.x) return;
  int x = threadIdx.x, y = threadIdx.y, bx = blockIdx.x * 16, by = blockIdx.y * 16;
  a[y][x] = m[(by + y) * 32 + bx + x];
  b[y][x] = m[(bx + y) * 32 + by + x];
  __syncthreads();
  m[(bx + y) * 32 + by + x] = a[x][y];
  m[(by + y) * 32 + bx + x] = b[x][y];
}
// 7: dynamic shared memory in parts of several types.
__global__ void parts(const float* x, float* y) {
  extern __shared__ __align__(16) unsigned char raw[];
  double* sums = reinterpret_cast<double*>(raw);
  float* values = reinterpret_cast<float*>(sums + T / 32);
  unsigned char* flags = reinterpret_cast<unsigned char*>(values + T);
  values[threadIdx.x] = x[threadIdx.x];
  flags[threadIdx.x] = x[threadIdx.x] > 2;
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
    double sum = 0;
    for (int i = 0; i < 32; ++i)
      if (flags[threadIdx.x + i]) sum += values[threadIdx.x + i];
    sums[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  if (threadIdx.x == 0) *y = sums[0] + sums[1] + sums[2] + sums[3];
}
// 8: release and acquire through cuda::atomic_ref; 9: a counter of cuda::atomic that blocks wait for.
__global__ void handed_over(const float* x, float* data, int* flag, float* out) {
  cuda::atomic_ref<int, cuda::thread_scope_device> ready(*flag);
  if (blockIdx.x == 0) {
    data[threadIdx.x] = x[threadIdx.x] + 1;
    __syncthreads();
    if (threadIdx.x == 0) ready.store(1, cuda::std::memory_order_release);
  } else if (blockIdx.x == 1) {
    if (threadIdx.x == 0)
      while (ready.load(cuda::std::memory_order_acquire) == 0) {
      }
    __syncthreads();
    out[threadIdx.x] = data[T - 1 - threadIdx.x];
  }
}
__device__ cuda::atomic<unsigned, cuda::thread_scope_device> arrived{0};
__global__ void all_arrive(const float* x, float* data, float* out) {
  data[blockIdx.x * T + threadIdx.x] = x[blockIdx.x * T + threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    arrived.fetch_add(1, cuda::std::memory_order_acq_rel);
    while (arrived.load(cuda::std::memory_order_acquire) != gridDim.x) {
    }
  }
  __syncthreads();
  out[blockIdx.x * T + threadIdx.x] = data[(blockIdx.x + 1) % gridDim.x * T + threadIdx.x];
}
// 10: a hash table in global memory: keys by CAS, values by the key's owner, read in the next launch.
struct Slot {
  int key;
  float value;
};
__global__ void insert(const float* x, Slot* table) {
  int i = blockIdx.x * T + threadIdx.x, key = i * 5 + 1;
  for (unsigned at = key * 2654435761u >> 20;; at = at + 1 & 4095)
    if (int old = atomicCAS(&table[at].key, 0, key); old == 0 || old == key) {
      table[at].value = x[i];
      break;
    }
}
__global__ void find(const Slot* table, float* y) {
  int i = blockIdx.x * T + threadIdx.x, key = i * 5 + 1;
  unsigned at = key * 2654435761u >> 20;
  while (table[at].key != key) at = at + 1 & 4095;
  y[i] = table[at].value;
}
// 11: sums of segments: whole ones are stored, those at a block's edges are added.
__global__ void segments(const float* x, float* y) {
  __shared__ float s[T];
  s[threadIdx.x] = x[blockIdx.x * T + threadIdx.x];
  __syncthreads();
  int i = blockIdx.x * T + threadIdx.x, segment = i / 48;
  bool head = i % 48 == 0 || threadIdx.x == 0;
  if (!head) return;
  float sum = 0;
  int end = min((segment + 1) * 48, (int)(blockIdx.x + 1) * T);
  for (int k = i; k < end; ++k) sum += s[k - blockIdx.x * T];
  atomicAdd(&y[segment], sum);
}
// 12: a step of a radix sort: counts, then a scan, then each to its place.
__global__ void radix(const float* x, int* y) {
  __shared__ int counts[8][T / 32], starts[8][T / 32];
  int key = (int)x[threadIdx.x], lane = threadIdx.x % 32, warp = threadIdx.x / 32, rank = 0;
  for (int digit = 0; digit < 8; ++digit) {
    unsigned ballot = __ballot_sync(~0u, key == digit);
    if (lane == 0) counts[digit][warp] = __popc(ballot);
    if (key == digit) rank = __popc(ballot & ((1u << lane) - 1));
  }
  __syncthreads();
  if (threadIdx.x == 0)
    for (int digit = 0, sum = 0; digit < 8; ++digit)
      for (int w = 0; w < T / 32; ++w) starts[digit][w] = sum, sum += counts[digit][w];
  __syncthreads();
  y[starts[key][warp] + rank] = key;
}
// 13: stencil steps in a cooperative launch, back and forth.
__global__ void stencil(float* a, float* b, int steps) {
  auto grid = cg::this_grid();
  int i = grid.thread_rank(), n = grid.size();
  for (int s = 0; s < steps; ++s) {
    b[i] = a[(i + 1) % n];
    grid.sync();
    float* t = a;
    a = b, b = t;
  }
}

extern "C" void upskill_entry(int which, void* const* a, cudaStream_t) {
  const float* x = (const float*)a[0];  // i % 7
  static float h[N], r[N];
  static int n[N];
  cudaMemcpy(h, x, sizeof h, cudaMemcpyDeviceToHost);
  float *f, *g;
  cudaMalloc(&f, 64 * N), cudaMalloc(&g, 64 * N);
  cudaMemset(f, 0, 64 * N), cudaMemset(g, 0, 64 * N);
  int *w = (int*)f, *v = (int*)g;
  bool ok = true;
  auto back = [&](const void* from) {
    cudaMemcpy(r, from, sizeof r, cudaMemcpyDeviceToHost);
    cudaMemcpy(n, from, sizeof n, cudaMemcpyDeviceToHost);
  };
  switch (which) {
    case 0: {
      int size = 1;
      for (int level = 0; size > 0; ++level) {
        cudaMemset(w + 3 * N, 0, 4);
        int *from = v + level % 2 * N, *to = v + (level + 1) % 2 * N;
        expand<<<(size + T - 1) / T, T>>>(from, size, to, w + 3 * N, w, w + N, level);
        cudaMemcpy(&size, w + 3 * N, 4, cudaMemcpyDeviceToHost);
      }
      back(w + N);
      for (int i = 0; i < N; ++i) ok &= n[i] == 31 - __builtin_clz(i + 1);
      break;
    }
    case 1: {
      int one = 1;
      cudaMemcpy(w, &one, 4, cudaMemcpyHostToDevice), cudaMemcpy(w + 2 * N, &one, 4, cudaMemcpyHostToDevice);
      for (int over = 0; !over;) {
        cudaMemcpy(v, &one, 4, cudaMemcpyHostToDevice);
        costs<<<B, T>>>(w, w + N, w + 2 * N, w + 3 * N);
        masks<<<B, T>>>(w, w + N, w + 2 * N, v);
        cudaMemcpy(&over, v, 4, cudaMemcpyDeviceToHost);
      }
      back(w + 3 * N);
      for (int i = 0; i < N; ++i) ok &= (i == 0) == (n[i] == 0);
      break;
    }
    case 2:
      for (int i = 0; i < N; ++i) n[i] = i;
      cudaMemcpy(w, n, sizeof n, cudaMemcpyHostToDevice);
      hook<<<B, T>>>(w);
      back(w);
      for (int i = 0; i < N; ++i) {
        int root = i;
        while (n[root] != root) root = n[root];
        ok &= root == i % 4;
      }
      break;
    case 3: bitonic<<<1, T>>>(x, f); back(f); for (int i = 1; i < 256; ++i) ok &= r[i - 1] <= r[i]; break;
    case 4:
      blelloch<<<1, T, 2 * T * 4>>>(x, f);
      back(f);
      for (int i = 0, sum = 0; i < 2 * T; sum += (int)h[i++]) ok &= r[i] == sum;
      break;
    case 5:
      softmax<<<2, T>>>(x, f);
      back(f);
      for (int row = 0; row < 4; ++row) {
        float sum = 0;
        for (int i = 0; i < 256; ++i) sum += r[row * 256 + i];
        ok &= sum > 0.999f && sum < 1.001f;
      }
      break;
    case 6:
      cudaMemcpy(f, x, 4 * N, cudaMemcpyDeviceToDevice);
      transpose<<<dim3(2, 2), dim3(16, 16)>>>(f);
      back(f);
      for (int i = 0; i < N; ++i) ok &= r[i] == h[i % 32 * 32 + i / 32];
      break;
    case 7: {
      parts<<<1, T, T / 32 * 8 + T * 4 + T>>>(x, f);
      back(f);
      float sum = 0;
      for (int i = 0; i < T; ++i) sum += h[i] > 2 ? h[i] : 0;
      ok = r[0] == sum;
      break;
    }
    case 8: {
      int* flag = v;
      void* all[] = {&x, &f, &flag, &g};
      g += N;
      cudaLaunchCooperativeKernel((void*)handed_over, dim3(2), dim3(T), all, 0, nullptr);
      back(g);
      g -= N;
      for (int i = 0; i < T; ++i) ok &= r[i] == h[T - 1 - i] + 1;
      break;
    }
    case 9: {
      void* all[] = {&x, &f, &g};
      cudaLaunchCooperativeKernel((void*)all_arrive, dim3(B), dim3(T), all, 0, nullptr);
      back(g);
      for (int i = 0; i < N; ++i) ok &= r[i] == h[(i + T) % N];
      break;
    }
    case 10:
      insert<<<B, T>>>(x, (Slot*)f);
      find<<<B, T>>>((Slot*)f, g);
      back(g);
      for (int i = 0; i < N; ++i) ok &= r[i] == h[i];
      break;
    case 11:
      segments<<<B, T>>>(x, f);
      back(f);
      for (int s = 0; s < N / 48; ++s) {
        float sum = 0;
        for (int i = 0; i < 48; ++i) sum += h[s * 48 + i];
        ok &= r[s] == sum;
      }
      break;
    case 12: radix<<<1, T>>>(x, w); back(w); for (int i = 1; i < T; ++i) ok &= n[i - 1] <= n[i]; break;
    case 13: {
      cudaMemcpy(f, x, 4 * N, cudaMemcpyDeviceToDevice);
      int steps = 6;
      void* all[] = {&f, &g, &steps};
      cudaLaunchCooperativeKernel((void*)stencil, dim3(B), dim3(T), all, 0, nullptr);
      back(f);
      for (int i = 0; i < N; ++i) ok &= r[i] == h[(i + 6) % N];
      break;
    }
  }
  const float verdict = ok ? 1 : 0;
  cudaMemcpy(a[1], &verdict, 4, cudaMemcpyHostToDevice);
  cudaFree(f), cudaFree(g);
}
