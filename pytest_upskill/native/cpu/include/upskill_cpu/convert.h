// Conversions with a rounding mode, and reinterpretations of bits.
//
// Rounding modes are CUDA's: rn to nearest even, rz to zero, rd down, ru up. A conversion to an integer clamps to the
// integer's range, and gives 0 for NaN (the CUDA programming guide; 64-bit signed and unsigned: 0x8000000000000000).
#ifndef UPSKILL_CPU_CONVERT_H
#define UPSKILL_CPU_CONVERT_H

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "keywords.h"

namespace upskill::cpu {

template <class Integer, class Real>
UPSKILL_CPU_INLINE Integer to_integer(Real integral) {
  using Limits = std::numeric_limits<Integer>;
  if (integral != integral) return sizeof(Integer) == 8 ? static_cast<Integer>(uint64_t{1} << 63) : Integer{0};
  if (integral <= static_cast<Real>(Limits::min())) return Limits::min();
  if (integral >= static_cast<Real>(Limits::max())) return Limits::max();
  return static_cast<Integer>(integral);
}

// The two neighbours of a value that a narrowing conversion may choose between.
template <class Narrow, class Wide>
UPSKILL_CPU_INLINE Narrow round_down(Wide value) {
  auto nearest = static_cast<Narrow>(value);
  return static_cast<Wide>(nearest) > value ? std::nextafter(nearest, -std::numeric_limits<Narrow>::infinity())
                                            : nearest;
}
template <class Narrow, class Wide>
UPSKILL_CPU_INLINE Narrow round_up(Wide value) {
  auto nearest = static_cast<Narrow>(value);
  return static_cast<Wide>(nearest) < value ? std::nextafter(nearest, std::numeric_limits<Narrow>::infinity())
                                            : nearest;
}
template <class Narrow, class Wide>
UPSKILL_CPU_INLINE Narrow round_to_zero(Wide value) {
  return value < 0 ? round_up<Narrow>(value) : round_down<Narrow>(value);
}

}  // namespace upskill::cpu

#define UPSKILL_CPU_TO_INTEGER(Real, prefix, Integer)                                                               \
  UPSKILL_CPU_INLINE Integer prefix##_rn(Real x) { return ::upskill::cpu::to_integer<Integer>(std::nearbyint(x)); } \
  UPSKILL_CPU_INLINE Integer prefix##_rz(Real x) { return ::upskill::cpu::to_integer<Integer>(std::trunc(x)); }     \
  UPSKILL_CPU_INLINE Integer prefix##_rd(Real x) { return ::upskill::cpu::to_integer<Integer>(std::floor(x)); }     \
  UPSKILL_CPU_INLINE Integer prefix##_ru(Real x) { return ::upskill::cpu::to_integer<Integer>(std::ceil(x)); }

UPSKILL_CPU_TO_INTEGER(float, __float2int, int)
UPSKILL_CPU_TO_INTEGER(float, __float2uint, unsigned int)
UPSKILL_CPU_TO_INTEGER(float, __float2ll, long long)
UPSKILL_CPU_TO_INTEGER(float, __float2ull, unsigned long long)
UPSKILL_CPU_TO_INTEGER(double, __double2int, int)
UPSKILL_CPU_TO_INTEGER(double, __double2uint, unsigned int)
UPSKILL_CPU_TO_INTEGER(double, __double2ll, long long)
UPSKILL_CPU_TO_INTEGER(double, __double2ull, unsigned long long)
#undef UPSKILL_CPU_TO_INTEGER

// `Exact` holds every value of the source, so that the rounding is done once.
#define UPSKILL_CPU_FROM(Source, prefix, Real, Exact)                                                                  \
  UPSKILL_CPU_INLINE Real prefix##_rn(Source x) { return static_cast<Real>(x); }                                       \
  UPSKILL_CPU_INLINE Real prefix##_rz(Source x) { return ::upskill::cpu::round_to_zero<Real>(static_cast<Exact>(x)); } \
  UPSKILL_CPU_INLINE Real prefix##_rd(Source x) { return ::upskill::cpu::round_down<Real>(static_cast<Exact>(x)); }    \
  UPSKILL_CPU_INLINE Real prefix##_ru(Source x) { return ::upskill::cpu::round_up<Real>(static_cast<Exact>(x)); }

UPSKILL_CPU_FROM(int, __int2float, float, double)
UPSKILL_CPU_FROM(unsigned int, __uint2float, float, double)
UPSKILL_CPU_FROM(long long, __ll2float, float, long double)
UPSKILL_CPU_FROM(unsigned long long, __ull2float, float, long double)
UPSKILL_CPU_FROM(long long, __ll2double, double, long double)
UPSKILL_CPU_FROM(unsigned long long, __ull2double, double, long double)
UPSKILL_CPU_FROM(double, __double2float, float, double)
#undef UPSKILL_CPU_FROM

UPSKILL_CPU_INLINE double __int2double_rn(int x) { return x; }
UPSKILL_CPU_INLINE double __uint2double_rn(unsigned int x) { return x; }

#define UPSKILL_CPU_BITS(Source, name, Target)       \
  UPSKILL_CPU_INLINE Target name(Source x) {         \
    static_assert(sizeof(Source) == sizeof(Target)); \
    Target result;                                   \
    __builtin_memcpy(&result, &x, sizeof result);    \
    return result;                                   \
  }

UPSKILL_CPU_BITS(float, __float_as_int, int)
UPSKILL_CPU_BITS(float, __float_as_uint, unsigned int)
UPSKILL_CPU_BITS(int, __int_as_float, float)
UPSKILL_CPU_BITS(unsigned int, __uint_as_float, float)
UPSKILL_CPU_BITS(double, __double_as_longlong, long long)
UPSKILL_CPU_BITS(long long, __longlong_as_double, double)
#undef UPSKILL_CPU_BITS

UPSKILL_CPU_INLINE int __double2hiint(double x) { return static_cast<int>(__double_as_longlong(x) >> 32); }
UPSKILL_CPU_INLINE int __double2loint(double x) { return static_cast<int>(__double_as_longlong(x)); }
UPSKILL_CPU_INLINE double __hiloint2double(int high, int low) {
  return __longlong_as_double(static_cast<long long>(high) << 32 | static_cast<unsigned int>(low));
}

#endif  // UPSKILL_CPU_CONVERT_H
