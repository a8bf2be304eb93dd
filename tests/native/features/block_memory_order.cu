// __syncthreads_count and shared memory: a compaction within a block.
#include "checks.h"

constexpr int CHECKS = 1;

__global__ void compact(int* ok) {
  __shared__ int kept[64], counts[2];
  const int t = threadIdx.x, lane = t % 32, keep = t % 3 == 0;
  const unsigned mask = __ballot_sync(0xffffffffu, keep);
  if (lane == 0) counts[t / 32] = __popc(mask);
  const int total = __syncthreads_count(keep);
  const int place = (t < 32 ? 0 : counts[0]) + __popc(mask & ((1u << lane) - 1));
  if (keep) kept[place] = t;
  __syncthreads();
  check(ok, total == 22 && (t >= total || kept[t] == 3 * t));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  compact<<<1, 64, 0, stream>>>(ok);
}
