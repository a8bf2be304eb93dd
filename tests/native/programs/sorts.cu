// Sorts: a bitonic network whose long strides are launches of their own, and a radix sort by four bits.
#include <algorithm>

#include "checked.cuh"

__device__ void order(unsigned& x, unsigned& y, bool up) {
  if ((x > y) == up) {
    const unsigned kept = x;
    x = y;
    y = kept;
  }
}

template <int Size>
__global__ void bitonic_shared(unsigned* keys, int size, int stride) {
  __shared__ unsigned shared[Size];
  const int t = threadIdx.x, base = blockIdx.x * Size;
  shared[t] = keys[base + t];
  shared[t + Size / 2] = keys[base + t + Size / 2];
  for (; stride > 0; stride /= 2) {
    __syncthreads();
    const int i = 2 * t - (t & (stride - 1));
    order(shared[i], shared[i + stride], ((base + i) & size) == 0);
  }
  __syncthreads();
  keys[base + t] = shared[t];
  keys[base + t + Size / 2] = shared[t + Size / 2];
}

__global__ void bitonic_global(unsigned* keys, int size, int stride) {
  const int t = blockIdx.x * blockDim.x + threadIdx.x, i = 2 * t - (t & (stride - 1));
  order(keys[i], keys[i + stride], (i & size) == 0);
}

constexpr int digits = 16, threads = 64;

__global__ void count_digits(const unsigned* keys, unsigned* counts, int shift, int n) {
  __shared__ unsigned local[digits];
  if (threadIdx.x < digits) local[threadIdx.x] = 0;
  __syncthreads();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(&local[keys[i] >> shift & (digits - 1)], 1u);
  __syncthreads();
  if (threadIdx.x < digits) counts[threadIdx.x * gridDim.x + blockIdx.x] = local[threadIdx.x];
}

__global__ void sum_up(unsigned* counts, int n) {
  unsigned sum = 0;
  for (int i = 0; i < n; ++i) {
    const unsigned own = counts[i];
    counts[i] = sum;
    sum += own;
  }
}

// Equal digits keep their order: a thread's place is the number of equal digits before it in its block.
__global__ void scatter(const unsigned* keys, unsigned* out, const unsigned* offsets, int shift, int n) {
  __shared__ unsigned char digit_of[threads];
  const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  const unsigned key = i < n ? keys[i] : 0xffffffffu, digit = key >> shift & (digits - 1);
  digit_of[t] = i < n ? digit : digits;
  __syncthreads();
  unsigned place = 0;
  for (int j = 0; j < t; ++j) place += digit_of[j] == digit;
  if (i < n) out[offsets[digit * gridDim.x + blockIdx.x] + place] = key;
}

int main() {
  const int n = 2048, blocks = n / threads;
  auto keys = words(n, 1u << 30), sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  unsigned *network = to_device(keys), *radix = to_device(keys), *other = on_device<unsigned>(n),
           *counts = on_device<unsigned>(digits * blocks);
  for (int size = 2; size <= n; size *= 2)
    for (int stride = size / 2; stride > 0; stride /= 2) {
      if (stride >= 256) {
        bitonic_global<<<n / 128, 64>>>(network, size, stride);
      } else {
        bitonic_shared<256><<<n / 256, 128>>>(network, size, stride);
        break;
      }
    }
  for (int shift = 0; shift < 32; shift += 4) {
    count_digits<<<blocks, threads>>>(radix, counts, shift, n);
    sum_up<<<1, 1>>>(counts, digits * blocks);
    scatter<<<blocks, threads>>>(radix, other, counts, shift, n);
    std::swap(radix, other);
  }
  const bool right = to_host(network, n) == sorted && to_host(radix, n) == sorted;
  for (unsigned* pointer : {network, radix, other, counts}) CHECKED(cudaFree(pointer));
  return verdict("sorts", right);
}
