// CUDA's math functions beyond those of <cmath>, and its fast and directed intrinsics.
//
// A fast intrinsic (__expf) is at least as exact here as on a GPU. The special functions that <cmath> lacks are
// computed in double by src/special_functions.cpp.
#ifndef UPSKILL_CPU_MATH_H
#define UPSKILL_CPU_MATH_H

#include <cmath>

#include "convert.h"
#include "keywords.h"

extern "C" {
double upskill_cpu_inverse_normal(double probability);  // the quantile of the standard normal distribution
double upskill_cpu_inverse_erf(double x);
double upskill_cpu_inverse_erfc(double x);
double upskill_cpu_scaled_erfc(double x);  // exp(x * x) * erfc(x)
double upskill_cpu_bessel_i0(double x);
double upskill_cpu_bessel_i1(double x);
double upskill_cpu_sinpi(double x);
double upskill_cpu_cospi(double x);
}

UPSKILL_CPU_INLINE double rsqrt(double x) { return 1.0 / std::sqrt(x); }
UPSKILL_CPU_INLINE float rsqrtf(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
UPSKILL_CPU_INLINE float rsqrt(float x) { return rsqrtf(x); }
UPSKILL_CPU_INLINE double rcbrt(double x) { return 1.0 / std::cbrt(x); }
UPSKILL_CPU_INLINE float rcbrtf(float x) { return static_cast<float>(1.0 / std::cbrt(static_cast<double>(x))); }
UPSKILL_CPU_INLINE double sinpi(double x) { return upskill_cpu_sinpi(x); }
UPSKILL_CPU_INLINE float sinpif(float x) { return static_cast<float>(upskill_cpu_sinpi(x)); }
UPSKILL_CPU_INLINE double cospi(double x) { return upskill_cpu_cospi(x); }
UPSKILL_CPU_INLINE float cospif(float x) { return static_cast<float>(upskill_cpu_cospi(x)); }
UPSKILL_CPU_INLINE void sincospi(double x, double* sine, double* cosine) { *sine = sinpi(x), *cosine = cospi(x); }
UPSKILL_CPU_INLINE void sincospif(float x, float* sine, float* cosine) { *sine = sinpif(x), *cosine = cospif(x); }
UPSKILL_CPU_INLINE void sincos(float x, float* sine, float* cosine) { *sine = sinf(x), *cosine = cosf(x); }
UPSKILL_CPU_INLINE double normcdf(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
UPSKILL_CPU_INLINE float normcdff(float x) { return static_cast<float>(normcdf(static_cast<double>(x))); }
UPSKILL_CPU_INLINE double normcdfinv(double x) { return upskill_cpu_inverse_normal(x); }
UPSKILL_CPU_INLINE float normcdfinvf(float x) { return static_cast<float>(upskill_cpu_inverse_normal(x)); }
UPSKILL_CPU_INLINE double erfinv(double x) { return upskill_cpu_inverse_erf(x); }
UPSKILL_CPU_INLINE float erfinvf(float x) { return static_cast<float>(upskill_cpu_inverse_erf(x)); }
UPSKILL_CPU_INLINE double erfcinv(double x) { return upskill_cpu_inverse_erfc(x); }
UPSKILL_CPU_INLINE float erfcinvf(float x) { return static_cast<float>(upskill_cpu_inverse_erfc(x)); }
UPSKILL_CPU_INLINE double erfcx(double x) { return upskill_cpu_scaled_erfc(x); }
UPSKILL_CPU_INLINE float erfcxf(float x) { return static_cast<float>(upskill_cpu_scaled_erfc(x)); }
UPSKILL_CPU_INLINE double cyl_bessel_i0(double x) { return upskill_cpu_bessel_i0(x); }
UPSKILL_CPU_INLINE float cyl_bessel_i0f(float x) { return static_cast<float>(upskill_cpu_bessel_i0(x)); }
UPSKILL_CPU_INLINE double cyl_bessel_i1(double x) { return upskill_cpu_bessel_i1(x); }
UPSKILL_CPU_INLINE float cyl_bessel_i1f(float x) { return static_cast<float>(upskill_cpu_bessel_i1(x)); }

UPSKILL_CPU_INLINE double rhypot(double x, double y) { return 1.0 / std::hypot(x, y); }
UPSKILL_CPU_INLINE float rhypotf(float x, float y) {
  return static_cast<float>(1.0 / std::hypot(double{x}, double{y}));
}
UPSKILL_CPU_INLINE double norm3d(double a, double b, double c) { return std::hypot(a, b, c); }
UPSKILL_CPU_INLINE float norm3df(float a, float b, float c) {
  return static_cast<float>(std::sqrt(double{a} * a + double{b} * b + double{c} * c));
}
UPSKILL_CPU_INLINE double rnorm3d(double a, double b, double c) { return 1.0 / norm3d(a, b, c); }
UPSKILL_CPU_INLINE float rnorm3df(float a, float b, float c) {
  return static_cast<float>(1.0 / std::sqrt(double{a} * a + double{b} * b + double{c} * c));
}
UPSKILL_CPU_INLINE double norm4d(double a, double b, double c, double d) {
  return std::hypot(std::hypot(a, b), std::hypot(c, d));
}
UPSKILL_CPU_INLINE float norm4df(float a, float b, float c, float d) {
  return static_cast<float>(std::sqrt(double{a} * a + double{b} * b + double{c} * c + double{d} * d));
}
UPSKILL_CPU_INLINE double rnorm4d(double a, double b, double c, double d) { return 1.0 / norm4d(a, b, c, d); }
UPSKILL_CPU_INLINE float rnorm4df(float a, float b, float c, float d) {
  return static_cast<float>(1.0 / std::sqrt(double{a} * a + double{b} * b + double{c} * c + double{d} * d));
}
UPSKILL_CPU_INLINE double norm(int dimension, const double* p) {
  double sum = 0;
  for (int i = 0; i < dimension; ++i) sum += p[i] * p[i];
  return std::sqrt(sum);
}
UPSKILL_CPU_INLINE float normf(int dimension, const float* p) {
  double sum = 0;
  for (int i = 0; i < dimension; ++i) sum += double{p[i]} * p[i];
  return static_cast<float>(std::sqrt(sum));
}
UPSKILL_CPU_INLINE double rnorm(int dimension, const double* p) { return 1.0 / norm(dimension, p); }
UPSKILL_CPU_INLINE float rnormf(int dimension, const float* p) { return 1.0f / normf(dimension, p); }

UPSKILL_CPU_INLINE float fdividef(float a, float b) { return a / b; }
UPSKILL_CPU_INLINE float saturate(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
UPSKILL_CPU_INLINE float __saturatef(float x) { return saturate(x); }

UPSKILL_CPU_INLINE float __expf(float x) { return expf(x); }
UPSKILL_CPU_INLINE float __exp10f(float x) { return static_cast<float>(std::pow(10.0, static_cast<double>(x))); }
UPSKILL_CPU_INLINE float __logf(float x) { return logf(x); }
UPSKILL_CPU_INLINE float __log2f(float x) { return log2f(x); }
UPSKILL_CPU_INLINE float __log10f(float x) { return log10f(x); }
UPSKILL_CPU_INLINE float __sinf(float x) { return sinf(x); }
UPSKILL_CPU_INLINE float __cosf(float x) { return cosf(x); }
UPSKILL_CPU_INLINE float __tanf(float x) { return tanf(x); }
UPSKILL_CPU_INLINE float __tanhf(float x) { return tanhf(x); }
UPSKILL_CPU_INLINE float __powf(float x, float y) { return powf(x, y); }
UPSKILL_CPU_INLINE float __fdividef(float a, float b) { return a / b; }
UPSKILL_CPU_INLINE void __sincosf(float x, float* sine, float* cosine) { *sine = sinf(x), *cosine = cosf(x); }

// Directed rounding. A sum, product or quotient of floats is computed in long double first: it holds sums of near
// exponents and all products exactly, and is close enough to decide the direction otherwise.
#define UPSKILL_CPU_DIRECTED(name, T, parameters, exact, nearest)                               \
  UPSKILL_CPU_INLINE T name##_rn parameters { return nearest; }                                 \
  UPSKILL_CPU_INLINE T name##_rz parameters { return ::upskill::cpu::round_to_zero<T>(exact); } \
  UPSKILL_CPU_INLINE T name##_rd parameters { return ::upskill::cpu::round_down<T>(exact); }    \
  UPSKILL_CPU_INLINE T name##_ru parameters { return ::upskill::cpu::round_up<T>(exact); }

UPSKILL_CPU_DIRECTED(__fadd, float, (float a, float b), static_cast<long double>(a) + b, a + b)
UPSKILL_CPU_DIRECTED(__fsub, float, (float a, float b), static_cast<long double>(a) - b, a - b)
UPSKILL_CPU_DIRECTED(__fmul, float, (float a, float b), static_cast<long double>(a) * b, a* b)
UPSKILL_CPU_DIRECTED(__fdiv, float, (float a, float b), static_cast<long double>(a) / b, a / b)
UPSKILL_CPU_DIRECTED(__frcp, float, (float a), 1.0L / a, 1.0f / a)
UPSKILL_CPU_DIRECTED(__fsqrt, float, (float a), std::sqrt(static_cast<long double>(a)), sqrtf(a))
UPSKILL_CPU_DIRECTED(__fmaf, float, (float a, float b, float c), static_cast<long double>(a) * b + c, fmaf(a, b, c))
UPSKILL_CPU_DIRECTED(__dadd, double, (double a, double b), static_cast<long double>(a) + b, a + b)
UPSKILL_CPU_DIRECTED(__dsub, double, (double a, double b), static_cast<long double>(a) - b, a - b)
UPSKILL_CPU_DIRECTED(__dmul, double, (double a, double b), static_cast<long double>(a) * b, a* b)
UPSKILL_CPU_DIRECTED(__ddiv, double, (double a, double b), static_cast<long double>(a) / b, a / b)
UPSKILL_CPU_DIRECTED(__drcp, double, (double a), 1.0L / a, 1.0 / a)
UPSKILL_CPU_DIRECTED(__dsqrt, double, (double a), std::sqrt(static_cast<long double>(a)), std::sqrt(a))
UPSKILL_CPU_DIRECTED(__fma, double, (double a, double b, double c), static_cast<long double>(a) * b + c,
                     std::fma(a, b, c))
#undef UPSKILL_CPU_DIRECTED

UPSKILL_CPU_INLINE float __frsqrt_rn(float x) { return rsqrtf(x); }

#endif  // UPSKILL_CPU_MATH_H
