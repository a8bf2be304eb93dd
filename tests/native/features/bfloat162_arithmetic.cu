// bfloat162: two at once.
#include "checks.h"

#include <cuda_bf16.h>

constexpr int CHECKS = 3;

__global__ void pairs(int* ok) {
  __nv_bfloat162 x = __floats2bfloat162_rn(1.0f, 2.0f), y = __float2bfloat162_rn(4.0f);
  float2 sum = __bfloat1622float2(__hadd2(x, y)), fused = __bfloat1622float2(__hfma2(x, y, x));
  check(ok + 0, sum.x == 5.0f && sum.y == 6.0f && fused.x == 5.0f && fused.y == 10.0f);
  check(ok + 1, __low2float(x) == 1.0f && __high2float(x) == 2.0f && __bfloat162float(y.x) == 4.0f);
  check(ok + 2, __low2float(__hmul2(x, y) - y) == 0.0f && __hbgt2(y, x));
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  pairs<<<1, 32, 0, stream>>>(ok);
}
