// Prefix sums: Blelloch's tree with a second launch for the blocks' sums, and one launch that looks back.
#include "checked.cuh"

constexpr int block_size = 128;

__global__ void blelloch(const int* in, int* out, int* sums, int n) {
  __shared__ int tree[2 * block_size];
  const int t = threadIdx.x, first = 2 * (blockIdx.x * block_size + t);
  tree[2 * t] = first < n ? in[first] : 0;
  tree[2 * t + 1] = first + 1 < n ? in[first + 1] : 0;
  int offset = 1;
  for (int count = block_size; count > 0; count /= 2, offset *= 2) {
    __syncthreads();
    if (t < count) tree[offset * (2 * t + 2) - 1] += tree[offset * (2 * t + 1) - 1];
  }
  __syncthreads();
  if (t == 0) {
    if (sums != nullptr) sums[blockIdx.x] = tree[2 * block_size - 1];
    tree[2 * block_size - 1] = 0;
  }
  for (int count = 1; count <= block_size; count *= 2) {
    offset /= 2;
    __syncthreads();
    if (t < count) {
      const int left = offset * (2 * t + 1) - 1, right = offset * (2 * t + 2) - 1, kept = tree[left];
      tree[left] = tree[right];
      tree[right] += kept;
    }
  }
  __syncthreads();
  if (first < n) out[first] = tree[2 * t];
  if (first + 1 < n) out[first + 1] = tree[2 * t + 1];
}

__global__ void add(int* out, const int* sums, int n) {
  const int i = blockIdx.x * 2 * block_size + threadIdx.x;
  for (int j = i; j < min(n, i + 2 * block_size); j += block_size) out[j] += sums[blockIdx.x];
}

enum State : unsigned { nothing, own_sum, all_sums };

// A tile's state and its sum travel in one word, so that both are seen together.
__global__ void look_back(const int* in, int* out, unsigned long long* tiles, unsigned* next, int n) {
  __shared__ int tile, before, warp_sums[block_size / 32];
  if (threadIdx.x == 0) tile = atomicAdd(next, 1);
  __syncthreads();
  const int t = threadIdx.x, lane = t % 32, i = tile * block_size + t, own = i < n ? in[i] : 0;
  int sum = own;
  for (int offset = 1; offset < 32; offset *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, sum, offset);
    if (lane >= offset) sum += other;
  }
  if (lane == 31) warp_sums[t / 32] = sum;
  __syncthreads();
  for (int warp = 0; warp < t / 32; ++warp) sum += warp_sums[warp];
  if (t == block_size - 1) {
    auto publish = [&](State state, int value) {
      atomicExch(&tiles[tile], static_cast<unsigned long long>(state) << 32 | static_cast<unsigned>(value));
    };
    publish(tile == 0 ? all_sums : own_sum, sum);
    int total = 0;
    for (int other = tile - 1; other >= 0;) {
      const unsigned long long seen = atomicAdd(&tiles[other], 0ull);
      if (seen >> 32 == nothing) continue;
      total += static_cast<int>(seen);
      if (seen >> 32 == all_sums) break;
      --other;
    }
    publish(all_sums, total + sum);
    before = total;
  }
  __syncthreads();
  if (i < n) out[i] = before + sum - own;
}

int main() {
  const int n = 5000, blocks = (n + 2 * block_size - 1) / (2 * block_size), tiles = (n + block_size - 1) / block_size;
  auto numbers = words(n, 100);
  std::vector<int> in(numbers.begin(), numbers.end()), expected(n);
  for (int i = 1; i < n; ++i) expected[i] = expected[i - 1] + in[i - 1];
  int *din = to_device(in), *out = on_device<int>(n), *sums = on_device<int>(blocks);
  blelloch<<<blocks, block_size>>>(din, out, sums, n);
  blelloch<<<1, block_size>>>(sums, sums, nullptr, blocks);
  add<<<blocks, block_size>>>(out, sums, n);
  bool right = to_host(out, n) == expected;
  auto* states = to_device(std::vector<unsigned long long>(tiles));
  auto* next = to_device(std::vector<unsigned>(1));
  CHECKED(cudaMemset(out, 0, n * sizeof(int)));
  look_back<<<tiles, block_size>>>(din, out, states, next, n);
  right = right && to_host(out, n) == expected;
  for (int* pointer : {din, out, sums}) CHECKED(cudaFree(pointer));
  CHECKED(cudaFree(states));
  CHECKED(cudaFree(next));
  return verdict("scans", right);
}
