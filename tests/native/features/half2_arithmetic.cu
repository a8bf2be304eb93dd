// half2: two halves at once.
#include "checks.h"

#include <cuda_fp16.h>

constexpr int CHECKS = 5;

__global__ void pairs(int* ok) {
  half2 x = __floats2half2_rn(1.0f, 2.0f), y = __float2half2_rn(3.0f);
  float2 sum = __half22float2(__hadd2(x, y)), product = __half22float2(x * y);
  check(ok + 0, sum.x == 4.0f && sum.y == 5.0f && product.x == 3.0f && product.y == 6.0f);
  float2 fused = __half22float2(__hfma2(x, y, y));
  check(ok + 1, fused.x == 6.0f && fused.y == 9.0f);
  check(ok + 2, __low2float(__lowhigh2highlow(x)) == 2.0f && __high2float(x) == 2.0f && float(__low2half(x)) == 1.0f);
  check(ok + 3, __hbeq2(x, x) && !__hbeq2(x, y) && __hblt2(x, y));
  half2 both = __halves2half2(__high2half(x), __low2half(y));
  check(ok + 4, __low2float(both) == 2.0f && __high2float(both) == 3.0f && __low2float(__hmax2(x, both)) == 2.0f);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  pairs<<<1, 32, 0, stream>>>(ok);
}
