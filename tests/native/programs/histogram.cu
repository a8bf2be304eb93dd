// Histograms: with atomics in global memory, with a private copy for each block, and with one for each warp.
#include "checked.cuh"

constexpr int bins = 64;

__global__ void directly(const unsigned char* bytes, unsigned* counts, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&counts[bytes[i] / 4], 1);
}

__global__ void by_blocks(const unsigned char* bytes, unsigned* counts, int n) {
  __shared__ unsigned own[bins];
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) own[bin] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&own[bytes[i] / 4], 1);
  __syncthreads();
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x)
    if (own[bin] > 0) atomicAdd(&counts[bin], own[bin]);
}

__global__ void by_warps(const uchar4* bytes, unsigned* counts, int quads) {
  extern __shared__ unsigned own[];
  const int warps = blockDim.x / 32;
  unsigned* mine = own + threadIdx.x / 32 * bins;
  for (int i = threadIdx.x; i < warps * bins; i += blockDim.x) own[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < quads; i += gridDim.x * blockDim.x) {
    const uchar4 quad = bytes[i];
    for (unsigned char byte : {quad.x, quad.y, quad.z, quad.w}) atomicAdd_block(&mine[byte / 4], 1);
  }
  __syncthreads();
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) {
    unsigned sum = 0;
    for (int warp = 0; warp < warps; ++warp) sum += own[warp * bins + bin];
    atomicAdd(&counts[bin], sum);
  }
}

int main() {
  const int n = 10000;
  auto numbers = words(n, 256);
  std::vector<unsigned char> bytes(numbers.begin(), numbers.end());
  std::vector<unsigned> expected(bins);
  for (unsigned char byte : bytes) ++expected[byte / 4];
  unsigned char* dbytes = to_device(bytes);
  unsigned* counts = on_device<unsigned>(bins);
  bool right = true;
  auto start = [&] { CHECKED(cudaMemset(counts, 0, bins * sizeof(unsigned))); };
  auto compare = [&] { right = right && to_host(counts, bins) == expected; };
  start(), directly<<<4, 128>>>(dbytes, counts, n), compare();
  start(), by_blocks<<<6, 96>>>(dbytes, counts, n), compare();
  start(), by_warps<<<3, 128, 4 * bins * sizeof(unsigned)>>>(reinterpret_cast<uchar4*>(dbytes), counts, n / 4),
      compare();
  CHECKED(cudaFree(dbytes));
  CHECKED(cudaFree(counts));
  return verdict("histogram", right);
}
