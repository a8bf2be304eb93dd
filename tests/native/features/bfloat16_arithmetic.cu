// bfloat16, one at a time.
#include "checks.h"

#include <cuda_bf16.h>

constexpr int CHECKS = 4;

__global__ void numbers(int* ok) {
  __nv_bfloat16 x = __float2bfloat16(1.5f), y(2.0f);
  check(ok + 0, float(x + y) == 3.5f && __bfloat162float(__hmul(x, y)) == 3.0f && float(__hfma(x, y, x)) == 4.5f);
  check(ok + 1, x < y && __hne(x, y) && float(__hmin(x, y)) == 1.5f);
  check(ok + 2, __bfloat162float(__float2bfloat16(257.0f)) == 256.0f &&
                    __bfloat162float(__float2bfloat16_rz(259.0f)) == 258.0f);
  check(ok + 3, __bfloat16_as_ushort(__nv_bfloat16(1.0f)) == 0x3f80 && float(hrsqrt(__nv_bfloat16(4.0f))) == 0.5f);
}

extern "C" void upskill_entry(int, void* const* a, cudaStream_t stream) {
  int* ok = static_cast<int*>(a[0]);
  numbers<<<1, 32, 0, stream>>>(ok);
}
