// bfloat16: __nv_bfloat16, __nv_bfloat162 and their functions, under CUDA's names.
#ifndef UPSKILL_CPU_CUDA_BF16_H
#define UPSKILL_CPU_CUDA_BF16_H
#define __CUDA_BF16_H__

#include "cuda_fp16.h"
#include "cuda_runtime.h"
#include "upskill_cpu/narrow_float.h"

#define NARROW __nv_bfloat16
#define NARROW2 __nv_bfloat162
#define NARROW_RAW __nv_bfloat16_raw
#define NARROW2_RAW __nv_bfloat162_raw
#define FORMAT ::upskill::cpu::Bfloat16Format
#define NAMED(before, after) before##bfloat16##after

#define NARROW_FROM_OTHER \
  UPSKILL_CPU_INLINE explicit __nv_bfloat16(__half value) : __nv_bfloat16(static_cast<float>(value)) {}
#include "upskill_cpu/narrow_class.h"
#undef NARROW_FROM_OTHER
#include "upskill_cpu/narrow_functions.h"
// Not sorted: the conversions use the functions.

#include "upskill_cpu/narrow_conversions.h"

#undef NARROW
#undef NARROW2
#undef NARROW_RAW
#undef NARROW2_RAW
#undef FORMAT
#undef NAMED

UPSKILL_CPU_INLINE __half::__half(__nv_bfloat16 value) : __half(static_cast<float>(value)) {}

UPSKILL_CPU_INLINE __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return __nv_bfloat162(x, y); }
UPSKILL_CPU_INLINE __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return __nv_bfloat162(x, y); }
UPSKILL_CPU_INLINE __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return __nv_bfloat162(a, a); }
UPSKILL_CPU_INLINE __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return __nv_bfloat162(__nv_bfloat16(a), __nv_bfloat16(b));
}
UPSKILL_CPU_INLINE __nv_bfloat162 __float2bfloat162_rn(float a) { return __floats2bfloat162_rn(a, a); }
UPSKILL_CPU_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 a) { return __floats2bfloat162_rn(a.x, a.y); }
UPSKILL_CPU_INLINE float2 __bfloat1622float2(__nv_bfloat162 a) {
  return {__bfloat162float(a.x), __bfloat162float(a.y)};
}
UPSKILL_CPU_INLINE __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) { return a.x; }
UPSKILL_CPU_INLINE __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) { return a.y; }
UPSKILL_CPU_INLINE __nv_bfloat162 __low2bfloat162(__nv_bfloat162 a) { return __nv_bfloat162(a.x, a.x); }
UPSKILL_CPU_INLINE __nv_bfloat162 __high2bfloat162(__nv_bfloat162 a) { return __nv_bfloat162(a.y, a.y); }
UPSKILL_CPU_INLINE __nv_bfloat162 __lows2bfloat162(__nv_bfloat162 a, __nv_bfloat162 b) {
  return __nv_bfloat162(a.x, b.x);
}
UPSKILL_CPU_INLINE __nv_bfloat162 __highs2bfloat162(__nv_bfloat162 a, __nv_bfloat162 b) {
  return __nv_bfloat162(a.y, b.y);
}

typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

#define CUDART_INF_BF16 __ushort_as_bfloat16((unsigned short)0x7F80U)
#define CUDART_NAN_BF16 __ushort_as_bfloat16((unsigned short)0x7FFFU)
#define CUDART_MIN_DENORM_BF16 __ushort_as_bfloat16((unsigned short)0x0001U)
#define CUDART_MAX_NORMAL_BF16 __ushort_as_bfloat16((unsigned short)0x7F7FU)
#define CUDART_NEG_ZERO_BF16 __ushort_as_bfloat16((unsigned short)0x8000U)
#define CUDART_ZERO_BF16 __ushort_as_bfloat16((unsigned short)0x0000U)
#define CUDART_ONE_BF16 __ushort_as_bfloat16((unsigned short)0x3F80U)

#endif  // UPSKILL_CPU_CUDA_BF16_H
