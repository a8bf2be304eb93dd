// The functions of one narrow floating type, under CUDA's names; included by cuda_fp16.h and cuda_bf16.h, which define
// NARROW, NARROW2, NARROW_RAW, NARROW2_RAW and FORMAT.
//
// + - * / and the square root are computed in float and rounded once more, which is exact: float has more than twice
// the digits (Figueroa, 1995). A fused multiply-add goes through double.
// It has no include guard, because each type includes it once.

#define NARROW_FUNCTION UPSKILL_CPU_INLINE NARROW
#define NARROW2_FUNCTION UPSKILL_CPU_INLINE NARROW2

namespace upskill::cpu {

UPSKILL_CPU_INLINE uint16_t bits_of(NARROW a) { return static_cast<NARROW_RAW>(a).x; }
UPSKILL_CPU_INLINE NARROW with_bits_of(NARROW, unsigned bits) { return NARROW_RAW{static_cast<unsigned short>(bits)}; }
UPSKILL_CPU_INLINE float wide(NARROW a) { return static_cast<float>(a); }
NARROW_FUNCTION clamp01(NARROW a) { return NARROW(saturate(wide(a))); }
NARROW_FUNCTION relu(NARROW a) { return wide(a) > 0.0f || wide(a) != wide(a) ? a : NARROW(0.0f); }
NARROW_FUNCTION narrow_nan(NARROW) { return NARROW_RAW{0x7fff}; }

// 1 or 0 in each half.
NARROW2_FUNCTION truth(NARROW, bool low, bool high) {
  return NARROW2(NARROW(low ? 1.0f : 0.0f), NARROW(high ? 1.0f : 0.0f));
}

}  // namespace upskill::cpu

NARROW_FUNCTION __hadd(NARROW a, NARROW b) { return NARROW(::upskill::cpu::wide(a) + ::upskill::cpu::wide(b)); }
NARROW_FUNCTION __hsub(NARROW a, NARROW b) { return NARROW(::upskill::cpu::wide(a) - ::upskill::cpu::wide(b)); }
NARROW_FUNCTION __hmul(NARROW a, NARROW b) { return NARROW(::upskill::cpu::wide(a) * ::upskill::cpu::wide(b)); }
NARROW_FUNCTION __hdiv(NARROW a, NARROW b) { return NARROW(::upskill::cpu::wide(a) / ::upskill::cpu::wide(b)); }
NARROW_FUNCTION __hadd_rn(NARROW a, NARROW b) { return __hadd(a, b); }
NARROW_FUNCTION __hsub_rn(NARROW a, NARROW b) { return __hsub(a, b); }
NARROW_FUNCTION __hmul_rn(NARROW a, NARROW b) { return __hmul(a, b); }
NARROW_FUNCTION __hadd_sat(NARROW a, NARROW b) { return ::upskill::cpu::clamp01(__hadd(a, b)); }
NARROW_FUNCTION __hsub_sat(NARROW a, NARROW b) { return ::upskill::cpu::clamp01(__hsub(a, b)); }
NARROW_FUNCTION __hmul_sat(NARROW a, NARROW b) { return ::upskill::cpu::clamp01(__hmul(a, b)); }
NARROW_FUNCTION __hfma(NARROW a, NARROW b, NARROW c) {
  using ::upskill::cpu::wide;
  return NARROW(::upskill::cpu::fused_multiply_add(wide(a), wide(b), wide(c)));
}
NARROW_FUNCTION __hfma_sat(NARROW a, NARROW b, NARROW c) { return ::upskill::cpu::clamp01(__hfma(a, b, c)); }
NARROW_FUNCTION __hfma_relu(NARROW a, NARROW b, NARROW c) { return ::upskill::cpu::relu(__hfma(a, b, c)); }
NARROW_FUNCTION __hneg(NARROW a) { return ::upskill::cpu::with_bits_of(a, ::upskill::cpu::bits_of(a) ^ 0x8000u); }
NARROW_FUNCTION __habs(NARROW a) { return ::upskill::cpu::with_bits_of(a, ::upskill::cpu::bits_of(a) & 0x7fffu); }

UPSKILL_CPU_INLINE bool __hisnan(NARROW a) { return (::upskill::cpu::bits_of(a) & 0x7fffu) > FORMAT::infinity; }
UPSKILL_CPU_INLINE int __hisinf(NARROW a) {
  if ((::upskill::cpu::bits_of(a) & 0x7fffu) != FORMAT::infinity) return 0;
  return (::upskill::cpu::bits_of(a) & 0x8000u) != 0 ? -1 : 1;
}

// A number wins against a NaN; -0 is less than +0. Where the values are equal, only the sign of a zero can differ.
NARROW_FUNCTION __hmax(NARROW a, NARROW b) {
  using namespace ::upskill::cpu;
  if (__hisnan(a)) return __hisnan(b) ? narrow_nan(a) : b;
  if (__hisnan(b)) return a;
  if (wide(a) == wide(b)) return with_bits_of(a, bits_of(a) & bits_of(b));
  return wide(a) > wide(b) ? a : b;
}
NARROW_FUNCTION __hmin(NARROW a, NARROW b) {
  using namespace ::upskill::cpu;
  if (__hisnan(a)) return __hisnan(b) ? narrow_nan(a) : b;
  if (__hisnan(b)) return a;
  if (wide(a) == wide(b)) return with_bits_of(a, bits_of(a) | bits_of(b));
  return wide(a) < wide(b) ? a : b;
}
NARROW_FUNCTION __hmax_nan(NARROW a, NARROW b) {
  return __hisnan(a) || __hisnan(b) ? ::upskill::cpu::narrow_nan(a) : __hmax(a, b);
}
NARROW_FUNCTION __hmin_nan(NARROW a, NARROW b) {
  return __hisnan(a) || __hisnan(b) ? ::upskill::cpu::narrow_nan(a) : __hmin(a, b);
}

// Comparisons: false where an operand is a NaN; the forms with a u are true there.
#define NARROW_COMPARISON(name, operation)                                                                           \
  UPSKILL_CPU_INLINE bool __h##name(NARROW a, NARROW b) {                                                            \
    return !__hisnan(a) && !__hisnan(b) && ::upskill::cpu::wide(a) operation ::upskill::cpu::wide(b);                \
  }                                                                                                                  \
  UPSKILL_CPU_INLINE bool __h##name##u(NARROW a, NARROW b) {                                                         \
    return __hisnan(a) || __hisnan(b) || ::upskill::cpu::wide(a) operation ::upskill::cpu::wide(b);                  \
  }                                                                                                                  \
  NARROW2_FUNCTION __h##name##2(NARROW2 a, NARROW2 b) {                                                              \
    return ::upskill::cpu::truth(a.x, __h##name(a.x, b.x), __h##name(a.y, b.y));                                     \
  }                                                                                                                  \
  NARROW2_FUNCTION __h##name##u2(NARROW2 a, NARROW2 b) {                                                             \
    return ::upskill::cpu::truth(a.x, __h##name##u(a.x, b.x), __h##name##u(a.y, b.y));                               \
  }                                                                                                                  \
  UPSKILL_CPU_INLINE unsigned int __h##name##2_mask(NARROW2 a, NARROW2 b) {                                          \
    return ::upskill::cpu::truth_mask(__h##name(a.x, b.x), __h##name(a.y, b.y));                                     \
  }                                                                                                                  \
  UPSKILL_CPU_INLINE unsigned int __h##name##u2_mask(NARROW2 a, NARROW2 b) {                                         \
    return ::upskill::cpu::truth_mask(__h##name##u(a.x, b.x), __h##name##u(a.y, b.y));                               \
  }                                                                                                                  \
  UPSKILL_CPU_INLINE bool __hb##name##2(NARROW2 a, NARROW2 b) { return __h##name(a.x, b.x) && __h##name(a.y, b.y); } \
  UPSKILL_CPU_INLINE bool __hb##name##u2(NARROW2 a, NARROW2 b) {                                                     \
    return __h##name##u(a.x, b.x) && __h##name##u(a.y, b.y);                                                         \
  }

NARROW_COMPARISON(eq, ==)
NARROW_COMPARISON(ne, !=)
NARROW_COMPARISON(lt, <)
NARROW_COMPARISON(le, <=)
NARROW_COMPARISON(gt, >)
NARROW_COMPARISON(ge, >=)
#undef NARROW_COMPARISON

// Functions of one argument, for one number and for two.
#define NARROW_MATH(name, expression)              \
  NARROW_FUNCTION h##name(NARROW a) {              \
    const float x = ::upskill::cpu::wide(a);       \
    return NARROW(static_cast<float>(expression)); \
  }                                                \
  NARROW2_FUNCTION h2##name(NARROW2 a) { return NARROW2(h##name(a.x), h##name(a.y)); }

NARROW_MATH(trunc, std::trunc(x))
NARROW_MATH(ceil, std::ceil(x))
NARROW_MATH(floor, std::floor(x))
NARROW_MATH(rint, std::nearbyint(x))
NARROW_MATH(sqrt, std::sqrt(x))
NARROW_MATH(rsqrt, rsqrtf(x))
NARROW_MATH(rcp, 1.0f / x)
NARROW_MATH(log, std::log(x))
NARROW_MATH(log2, std::log2(x))
NARROW_MATH(log10, std::log10(x))
NARROW_MATH(exp, std::exp(x))
NARROW_MATH(exp2, std::exp2(x))
NARROW_MATH(exp10, std::pow(10.0, static_cast<double>(x)))
NARROW_MATH(sin, std::sin(x))
NARROW_MATH(cos, std::cos(x))
NARROW_MATH(tanh, std::tanh(x))
NARROW_MATH(tanh_approx, std::tanh(x))
#undef NARROW_MATH

// Two numbers at once.
#define NARROW_PAIRWISE(name, function) \
  NARROW2_FUNCTION name(NARROW2 a, NARROW2 b) { return NARROW2(function(a.x, b.x), function(a.y, b.y)); }

NARROW_PAIRWISE(__hadd2, __hadd)
NARROW_PAIRWISE(__hsub2, __hsub)
NARROW_PAIRWISE(__hmul2, __hmul)
NARROW_PAIRWISE(__h2div, __hdiv)
NARROW_PAIRWISE(__hadd2_rn, __hadd)
NARROW_PAIRWISE(__hsub2_rn, __hsub)
NARROW_PAIRWISE(__hmul2_rn, __hmul)
NARROW_PAIRWISE(__hadd2_sat, __hadd_sat)
NARROW_PAIRWISE(__hsub2_sat, __hsub_sat)
NARROW_PAIRWISE(__hmul2_sat, __hmul_sat)
NARROW_PAIRWISE(__hmax2, __hmax)
NARROW_PAIRWISE(__hmin2, __hmin)
NARROW_PAIRWISE(__hmax2_nan, __hmax_nan)
NARROW_PAIRWISE(__hmin2_nan, __hmin_nan)
#undef NARROW_PAIRWISE

NARROW2_FUNCTION __hfma2(NARROW2 a, NARROW2 b, NARROW2 c) {
  return NARROW2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));
}
NARROW2_FUNCTION __hfma2_sat(NARROW2 a, NARROW2 b, NARROW2 c) {
  return NARROW2(__hfma_sat(a.x, b.x, c.x), __hfma_sat(a.y, b.y, c.y));
}
NARROW2_FUNCTION __hfma2_relu(NARROW2 a, NARROW2 b, NARROW2 c) {
  return NARROW2(__hfma_relu(a.x, b.x, c.x), __hfma_relu(a.y, b.y, c.y));
}
// A complex multiply-add: c + a * b, with x the real part.
NARROW2_FUNCTION __hcmadd(NARROW2 a, NARROW2 b, NARROW2 c) {
  return NARROW2(__hfma(__hneg(a.y), b.y, __hfma(a.x, b.x, c.x)), __hfma(a.y, b.x, __hfma(a.x, b.y, c.y)));
}
NARROW2_FUNCTION __hneg2(NARROW2 a) { return NARROW2(__hneg(a.x), __hneg(a.y)); }
NARROW2_FUNCTION __habs2(NARROW2 a) { return NARROW2(__habs(a.x), __habs(a.y)); }
NARROW2_FUNCTION __hisnan2(NARROW2 a) { return ::upskill::cpu::truth(a.x, __hisnan(a.x), __hisnan(a.y)); }

NARROW2_FUNCTION __lowhigh2highlow(NARROW2 a) { return NARROW2(a.y, a.x); }
UPSKILL_CPU_INLINE float __low2float(NARROW2 a) { return ::upskill::cpu::wide(a.x); }
UPSKILL_CPU_INLINE float __high2float(NARROW2 a) { return ::upskill::cpu::wide(a.y); }

NARROW_FUNCTION operator+(const NARROW& a, const NARROW& b) { return __hadd(a, b); }
NARROW_FUNCTION operator-(const NARROW& a, const NARROW& b) { return __hsub(a, b); }
NARROW_FUNCTION operator*(const NARROW& a, const NARROW& b) { return __hmul(a, b); }
NARROW_FUNCTION operator/(const NARROW& a, const NARROW& b) { return __hdiv(a, b); }
UPSKILL_CPU_INLINE NARROW& operator+=(NARROW& a, const NARROW& b) { return a = __hadd(a, b); }
UPSKILL_CPU_INLINE NARROW& operator-=(NARROW& a, const NARROW& b) { return a = __hsub(a, b); }
UPSKILL_CPU_INLINE NARROW& operator*=(NARROW& a, const NARROW& b) { return a = __hmul(a, b); }
UPSKILL_CPU_INLINE NARROW& operator/=(NARROW& a, const NARROW& b) { return a = __hdiv(a, b); }
UPSKILL_CPU_INLINE NARROW& operator++(NARROW& a) { return a = __hadd(a, NARROW(1.0f)); }
UPSKILL_CPU_INLINE NARROW& operator--(NARROW& a) { return a = __hsub(a, NARROW(1.0f)); }
NARROW_FUNCTION operator++(NARROW& a, int) {
  NARROW old = a;
  ++a;
  return old;
}
NARROW_FUNCTION operator--(NARROW& a, int) {
  NARROW old = a;
  --a;
  return old;
}
NARROW_FUNCTION operator+(const NARROW& a) { return a; }
NARROW_FUNCTION operator-(const NARROW& a) { return __hneg(a); }
UPSKILL_CPU_INLINE bool operator==(const NARROW& a, const NARROW& b) { return __heq(a, b); }
UPSKILL_CPU_INLINE bool operator!=(const NARROW& a, const NARROW& b) { return __hneu(a, b); }
UPSKILL_CPU_INLINE bool operator>(const NARROW& a, const NARROW& b) { return __hgt(a, b); }
UPSKILL_CPU_INLINE bool operator<(const NARROW& a, const NARROW& b) { return __hlt(a, b); }
UPSKILL_CPU_INLINE bool operator>=(const NARROW& a, const NARROW& b) { return __hge(a, b); }
UPSKILL_CPU_INLINE bool operator<=(const NARROW& a, const NARROW& b) { return __hle(a, b); }

NARROW2_FUNCTION operator+(const NARROW2& a, const NARROW2& b) { return __hadd2(a, b); }
NARROW2_FUNCTION operator-(const NARROW2& a, const NARROW2& b) { return __hsub2(a, b); }
NARROW2_FUNCTION operator*(const NARROW2& a, const NARROW2& b) { return __hmul2(a, b); }
NARROW2_FUNCTION operator/(const NARROW2& a, const NARROW2& b) { return __h2div(a, b); }
UPSKILL_CPU_INLINE NARROW2& operator+=(NARROW2& a, const NARROW2& b) { return a = __hadd2(a, b); }
UPSKILL_CPU_INLINE NARROW2& operator-=(NARROW2& a, const NARROW2& b) { return a = __hsub2(a, b); }
UPSKILL_CPU_INLINE NARROW2& operator*=(NARROW2& a, const NARROW2& b) { return a = __hmul2(a, b); }
UPSKILL_CPU_INLINE NARROW2& operator/=(NARROW2& a, const NARROW2& b) { return a = __h2div(a, b); }
NARROW2_FUNCTION operator+(const NARROW2& a) { return a; }
NARROW2_FUNCTION operator-(const NARROW2& a) { return __hneg2(a); }
UPSKILL_CPU_INLINE bool operator==(const NARROW2& a, const NARROW2& b) { return __hbeq2(a, b); }
UPSKILL_CPU_INLINE bool operator!=(const NARROW2& a, const NARROW2& b) { return __hbneu2(a, b); }
UPSKILL_CPU_INLINE bool operator>(const NARROW2& a, const NARROW2& b) { return __hbgt2(a, b); }
UPSKILL_CPU_INLINE bool operator<(const NARROW2& a, const NARROW2& b) { return __hblt2(a, b); }
UPSKILL_CPU_INLINE bool operator>=(const NARROW2& a, const NARROW2& b) { return __hbge2(a, b); }
UPSKILL_CPU_INLINE bool operator<=(const NARROW2& a, const NARROW2& b) { return __hble2(a, b); }

UPSKILL_CPU_SHUFFLES(NARROW)
UPSKILL_CPU_SHUFFLES(NARROW2)
NARROW atomicAdd(NARROW* address, NARROW value);
NARROW2 atomicAdd(NARROW2* address, NARROW2 value);

#undef NARROW_FUNCTION
#undef NARROW2_FUNCTION
