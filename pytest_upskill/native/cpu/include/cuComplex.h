// CUDA's complex numbers: pairs of real and imaginary parts, and functions on them.
#ifndef UPSKILL_CPU_CUCOMPLEX_H
#define UPSKILL_CPU_CUCOMPLEX_H
#define CU_COMPLEX_H_

#include <cmath>

#include "upskill_cpu/keywords.h"
#include "vector_types.h"

typedef float2 cuFloatComplex;
typedef double2 cuDoubleComplex;
typedef cuFloatComplex cuComplex;

// `f` is the suffix of the functions on floats, and empty for doubles.
#define UPSKILL_CPU_COMPLEX(name, real, f)                                                                     \
  UPSKILL_CPU_INLINE name make_##name(real x, real y) { return {x, y}; }                                       \
  UPSKILL_CPU_INLINE real cuCreal##f(name z) { return z.x; }                                                   \
  UPSKILL_CPU_INLINE real cuCimag##f(name z) { return z.y; }                                                   \
  UPSKILL_CPU_INLINE name cuConj##f(name z) { return {z.x, -z.y}; }                                            \
  UPSKILL_CPU_INLINE name cuCadd##f(name a, name b) { return {a.x + b.x, a.y + b.y}; }                         \
  UPSKILL_CPU_INLINE name cuCsub##f(name a, name b) { return {a.x - b.x, a.y - b.y}; }                         \
  UPSKILL_CPU_INLINE name cuCmul##f(name a, name b) { return {a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x}; } \
  UPSKILL_CPU_INLINE name cuCdiv##f(name a, name b) {                                                          \
    const real scale = 1 / (std::fabs(b.x) + std::fabs(b.y));                                                  \
    const name p = {a.x * scale, a.y * scale}, q = {b.x * scale, b.y * scale};                                 \
    const real norm = 1 / (q.x * q.x + q.y * q.y);                                                             \
    return {(p.x * q.x + p.y * q.y) * norm, (p.y * q.x - p.x * q.y) * norm};                                   \
  }                                                                                                            \
  UPSKILL_CPU_INLINE real cuCabs##f(name z) { return std::hypot(z.x, z.y); }                                   \
  UPSKILL_CPU_INLINE name cuCfma##f(name a, name b, name c) { return cuCadd##f(cuCmul##f(a, b), c); }
UPSKILL_CPU_COMPLEX(cuFloatComplex, float, f)
UPSKILL_CPU_COMPLEX(cuDoubleComplex, double, )
#undef UPSKILL_CPU_COMPLEX

UPSKILL_CPU_INLINE cuComplex make_cuComplex(float x, float y) { return {x, y}; }
UPSKILL_CPU_INLINE cuDoubleComplex cuComplexFloatToDouble(cuFloatComplex z) { return {z.x, z.y}; }
UPSKILL_CPU_INLINE cuFloatComplex cuComplexDoubleToFloat(cuDoubleComplex z) {
  return {static_cast<float>(z.x), static_cast<float>(z.y)};
}

#endif  // UPSKILL_CPU_CUCOMPLEX_H
