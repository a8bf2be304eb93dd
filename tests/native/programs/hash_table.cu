// A table of keys and counts with open addressing, which all threads fill at once.
#include <map>

#include "checked.cuh"

constexpr unsigned nothing = 0xffffffffu, slots = 512;

__device__ unsigned mix(unsigned x) {
  x = (x ^ x >> 16) * 0x45d9f3bu;
  return x ^ x >> 15;
}

__global__ void insert(unsigned* keys, unsigned* counts, const unsigned* words, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  for (unsigned slot = mix(words[i]) % slots;; slot = (slot + 1) % slots) {
    const unsigned before = atomicCAS(&keys[slot], nothing, words[i]);
    if (before != nothing && before != words[i]) continue;
    atomicAdd(&counts[slot], 1);
    return;
  }
}

int main() {
  const int n = 3000;
  auto input = words(n, 300);
  std::map<unsigned, unsigned> expected, got;
  for (unsigned word : input) ++expected[word];
  unsigned *keys = on_device<unsigned>(slots), *counts = on_device<unsigned>(slots), *dinput = to_device(input);
  CHECKED(cudaMemset(keys, 0xff, slots * sizeof(unsigned)));
  CHECKED(cudaMemset(counts, 0, slots * sizeof(unsigned)));
  insert<<<(n + 127) / 128, 128>>>(keys, counts, dinput, n);
  const auto hkeys = to_host(keys, slots), hcounts = to_host(counts, slots);
  for (unsigned slot = 0; slot < slots; ++slot)
    if (hkeys[slot] != nothing) got[hkeys[slot]] = hcounts[slot];
  for (unsigned* pointer : {keys, counts, dinput}) CHECKED(cudaFree(pointer));
  return verdict("hash table", got == expected);
}
