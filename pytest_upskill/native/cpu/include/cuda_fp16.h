// half: __half, __half2 and their functions, under CUDA's names.
#ifndef UPSKILL_CPU_CUDA_FP16_H
#define UPSKILL_CPU_CUDA_FP16_H
#define __CUDA_FP16_H__

#include "cuda_runtime.h"
#include "upskill_cpu/narrow_float.h"

#define NARROW __half
#define NARROW2 __half2
#define NARROW_RAW __half_raw
#define NARROW2_RAW __half2_raw
#define FORMAT ::upskill::cpu::HalfFormat
#define NAMED(before, after) before##half##after

struct __nv_bfloat16;
#define NARROW_FROM_OTHER explicit __half(__nv_bfloat16 value);
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

UPSKILL_CPU_INLINE __half2 make_half2(__half x, __half y) { return __half2(x, y); }
UPSKILL_CPU_INLINE __half2 __halves2half2(__half x, __half y) { return __half2(x, y); }
UPSKILL_CPU_INLINE __half2 __half2half2(__half a) { return __half2(a, a); }
UPSKILL_CPU_INLINE __half2 __float2half2_rn(float a) { return __half2(__half(a), __half(a)); }
UPSKILL_CPU_INLINE __half2 __floats2half2_rn(float a, float b) { return __half2(__half(a), __half(b)); }
UPSKILL_CPU_INLINE __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
UPSKILL_CPU_INLINE float2 __half22float2(__half2 a) { return {__half2float(a.x), __half2float(a.y)}; }
UPSKILL_CPU_INLINE __half __low2half(__half2 a) { return a.x; }
UPSKILL_CPU_INLINE __half __high2half(__half2 a) { return a.y; }
UPSKILL_CPU_INLINE __half2 __low2half2(__half2 a) { return __half2(a.x, a.x); }
UPSKILL_CPU_INLINE __half2 __high2half2(__half2 a) { return __half2(a.y, a.y); }
UPSKILL_CPU_INLINE __half2 __lows2half2(__half2 a, __half2 b) { return __half2(a.x, b.x); }
UPSKILL_CPU_INLINE __half2 __highs2half2(__half2 a, __half2 b) { return __half2(a.y, b.y); }

typedef __half half;
typedef __half2 half2;
typedef __half nv_half;
typedef __half2 nv_half2;
typedef __half __nv_half;
typedef __half2 __nv_half2;
typedef __half_raw __nv_half_raw;
typedef __half2_raw __nv_half2_raw;

#define CUDART_INF_FP16 __ushort_as_half((unsigned short)0x7C00U)
#define CUDART_NAN_FP16 __ushort_as_half((unsigned short)0x7FFFU)
#define CUDART_MIN_DENORM_FP16 __ushort_as_half((unsigned short)0x0001U)
#define CUDART_MAX_NORMAL_FP16 __ushort_as_half((unsigned short)0x7BFFU)
#define CUDART_NEG_ZERO_FP16 __ushort_as_half((unsigned short)0x8000U)
#define CUDART_ZERO_FP16 __ushort_as_half((unsigned short)0x0000U)
#define CUDART_ONE_FP16 __ushort_as_half((unsigned short)0x3C00U)

#endif  // UPSKILL_CPU_CUDA_FP16_H
