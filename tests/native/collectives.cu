// CUB's collectives of a block and a warp. a[0]: ints, one for each check, 1 if it held for all threads of the block.
#include <cub/cub.cuh>

__device__ void check(int* ok, bool held) {
  if (__syncthreads_and(held) && threadIdx.x == 0) *ok = 1;
}

struct Larger {
  __device__ __forceinline__ float operator()(const float& a, const float& b) const { return a > b ? a : b; }
};

struct RunningTotal {
  int total;
  __device__ int operator()(int block_aggregate) {
    int before = total;
    total += block_aggregate;
    return before;
  }
};

template <int THREADS>
__global__ void collectives(int* ok) {
  using BlockReduce = cub::BlockReduce<float, THREADS>;
  using BlockReduceInt = cub::BlockReduce<int, THREADS, cub::BLOCK_REDUCE_RAKING>;
  using BlockScan = cub::BlockScan<int, THREADS>;
  using WarpReduce = cub::WarpReduce<int>;
  __shared__ union {
    typename BlockReduce::TempStorage reduce;
    typename BlockReduceInt::TempStorage count;
    typename BlockScan::TempStorage scan;
  } temp;
  __shared__ typename WarpReduce::TempStorage warp_temp[THREADS / 32];
  __shared__ float broadcast;
  const int t = threadIdx.x;
  float sum = BlockReduce(temp.reduce).Sum((float)t);
  if (t == 0) broadcast = sum;
  __syncthreads();
  check(ok++, broadcast == THREADS * (THREADS - 1) / 2);
  float largest = BlockReduce(temp.reduce).Reduce((float)((t * 7) % THREADS), Larger());
  check(ok++, t != 0 || largest == THREADS - 1);
  int items[3] = {t, 1, 2};
  int total = BlockReduceInt(temp.count).Sum(items);
  check(ok++, t != 0 || total == THREADS * (THREADS - 1) / 2 + 3 * THREADS);
  int first = BlockReduceInt(temp.count).Sum(1, 50);
  check(ok++, t != 0 || first == 50);
  int exclusive, inclusive, aggregate;
  BlockScan(temp.scan).ExclusiveSum(t, exclusive, aggregate);
  __syncthreads();
  BlockScan(temp.scan).InclusiveSum(1, inclusive);
  __syncthreads();
  check(ok++, exclusive == t * (t - 1) / 2 && inclusive == t + 1 && aggregate == THREADS * (THREADS - 1) / 2);
  int several[2] = {1, 2}, scanned[2];
  BlockScan(temp.scan).ExclusiveSum(several, scanned);
  __syncthreads();
  check(ok++, scanned[0] == 3 * t && scanned[1] == 3 * t + 1);
  RunningTotal running{100};
  int offset;
  BlockScan(temp.scan).ExclusiveSum(1, offset, running);
  __syncthreads();
  check(ok++, offset == 100 + t);
  int in_warp = WarpReduce(warp_temp[t / 32]).Sum(t % 32);
  check(ok++, t % 32 != 0 || in_warp == 496);
  using WarpScan = cub::WarpScan<int>;
  __shared__ typename WarpScan::TempStorage scan_temp[THREADS / 32];
  int lanes;
  WarpScan(scan_temp[t / 32]).InclusiveSum(2, lanes);
  check(ok++, lanes == 2 * (t % 32) + 2);
}

__device__ int numbers[256];

__global__ void loads(int* ok) {
  using Load = cub::BlockLoad<int, 64, 4, cub::BLOCK_LOAD_TRANSPOSE>;
  using Store = cub::BlockStore<int, 64, 4, cub::BLOCK_STORE_DIRECT>;
  __shared__ union {
    Load::TempStorage load;
    Store::TempStorage store;
  } temp;
  int items[4] = {int(threadIdx.x), 1, 2, 3};
  Store(temp.store).Store(numbers, items);
  __syncthreads();
  int read[4];
  Load(temp.load).Load(numbers, read, 255, -1);
  check(ok++, read[0] == threadIdx.x && read[3] == (threadIdx.x == 63 ? -1 : 3));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  collectives<128><<<1, 128, 0, stream>>>(ok);
  loads<<<1, 64, 0, stream>>>(ok + 9);
}
