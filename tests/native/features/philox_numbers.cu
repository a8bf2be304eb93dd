// cuRAND's Philox: the same subsequence gives the same numbers, four at a time or one.
#include "checks.h"

#include <curand_kernel.h>

constexpr int CHECKS = 3;

__global__ void draws(int* ok) {
  curandStatePhilox4_32_10_t one, four;
  curand_init(1234, threadIdx.x, 0, &one);
  curand_init(1234, threadIdx.x, 0, &four);
  const uint4 words = curand4(&four);
  check(ok + 0,
        curand(&one) == words.x && curand(&one) == words.y && curand(&one) == words.z && curand(&one) == words.w);
  curandStatePhilox4_32_10_t later;
  curand_init(1234, threadIdx.x, 4, &later);
  check(ok + 1, curand(&later) == curand(&one));
  const float4 parts = curand_uniform4(&four);
  check(ok + 2, parts.x > 0 && parts.x <= 1 && parts.w > 0 && parts.w <= 1);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  draws<<<1, 32, 0, stream>>>(ok);
}
