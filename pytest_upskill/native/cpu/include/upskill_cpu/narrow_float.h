// The encodings of half and bfloat16: conversions from and to float and double, each rounded once.
#ifndef UPSKILL_CPU_NARROW_FLOAT_H
#define UPSKILL_CPU_NARROW_FLOAT_H

#include <cmath>
#include <cstdint>

#include "convert.h"
#include "keywords.h"

namespace upskill::cpu {

// Double to float, rounded to odd: the last bit of the result also stands for whatever was cut off. A second rounding
// to a much narrower type is then as if there had been one (Boldo and Melquiond, 2008).
UPSKILL_CPU_INLINE float round_to_odd(double value) {
  float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || nearest != nearest) return nearest;
  if (std::fabs(nearest) == __builtin_inff()) return std::copysign(3.40282347e38f, nearest);
  uint32_t bits = __float_as_uint(nearest);
  if ((bits & 1) != 0) return nearest;
  bool away = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  return __uint_as_float(away ? bits - 1 : bits + 1);
}

// A 64-bit integer as a double, rounded to odd likewise.
template <class Integer>
UPSKILL_CPU_INLINE double odd_double(Integer value) {
  constexpr int spare = 11;  // bits that a 64-bit integer has more than a double's significand
  auto magnitude = static_cast<unsigned long long>(value < 0 ? 0 - static_cast<unsigned long long>(value) : value);
  if (magnitude >> (64 - spare) != 0) {
    unsigned long long lost = magnitude & ((1ull << spare) - 1);
    magnitude = (magnitude - lost) | (lost != 0 ? 1ull << spare : 0);
  }
  return value < 0 ? -static_cast<double>(magnitude) : static_cast<double>(magnitude);
}

// a * b + c of narrow floats, rounded to odd. The product is exact in double; the sum's error decides the last bit.
UPSKILL_CPU_INLINE float fused_multiply_add(float a, float b, float c) {
  double product = static_cast<double>(a) * b, addend = c, sum = product + addend;
  double part = sum - product, error = (product - (sum - part)) + (addend - part);
  if (error == 0 || !(std::fabs(sum) < __builtin_inf())) return round_to_odd(sum);
  long long bits = __double_as_longlong(sum);
  if ((bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
  return round_to_odd(__longlong_as_double(bits));
}

struct HalfFormat {
  static constexpr uint16_t infinity = 0x7c00, one = 0x3c00, largest = 0x7bff;

  UPSKILL_CPU_INLINE static uint16_t encode(float value) {
    uint32_t bits = __float_as_uint(value), sign = bits & 0x80000000u, magnitude = bits ^ sign;
    uint32_t result;
    if (magnitude > 0x7f800000u) return 0x7fff;  // CUDA's NaN
    if (magnitude >= 0x47800000u) {              // 65536 and more
      result = infinity;
    } else if (magnitude < 0x38800000u) {  // subnormal: let the float adder align and round
      result = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u;
    } else {
      constexpr uint32_t rebias = (127u - 15u) << 23;
      result = (magnitude - rebias + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return static_cast<uint16_t>(result | sign >> 16);
  }

  UPSKILL_CPU_INLINE static float decode(uint16_t bits) {
    uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    // Multiplying by 2^112 rebiases normal numbers and normalises subnormal ones; it is exact.
    constexpr float two_to_112 = 5.192296858534828e33f;
    float value = __uint_as_float(magnitude << 13) * two_to_112;
    uint32_t result = magnitude >= infinity ? 0x7f800000u | (magnitude & 0x3ffu) << 13 : __float_as_uint(value);
    return __uint_as_float(result | sign);
  }
};

struct Bfloat16Format {
  static constexpr uint16_t infinity = 0x7f80, one = 0x3f80, largest = 0x7f7f;

  UPSKILL_CPU_INLINE static uint16_t encode(float value) {
    uint32_t bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
  }

  UPSKILL_CPU_INLINE static float decode(uint16_t bits) { return __uint_as_float(static_cast<uint32_t>(bits) << 16); }
};

// All ones or zeros in each half of a word.
UPSKILL_CPU_INLINE unsigned int truth_mask(bool low, bool high) {
  return (low ? 0xffffu : 0u) | (high ? 0xffff0000u : 0u);
}

// The neighbours of a number in the order of the reals, infinities included.
UPSKILL_CPU_INLINE uint16_t next_up(uint16_t bits) {
  if (bits == 0x8000u) return 1;
  return static_cast<uint16_t>((bits & 0x8000u) != 0 ? bits - 1 : bits + 1);
}
UPSKILL_CPU_INLINE uint16_t next_down(uint16_t bits) {
  if (bits == 0) return 0x8001u;
  return static_cast<uint16_t>((bits & 0x8000u) != 0 ? bits + 1 : bits - 1);
}

// `Exact` holds the source without loss.
template <class Format, class Exact>
UPSKILL_CPU_INLINE uint16_t encode_down(Exact value) {
  uint16_t nearest = Format::encode(round_to_odd(static_cast<double>(value)));
  return static_cast<Exact>(Format::decode(nearest)) > value ? next_down(nearest) : nearest;
}
template <class Format, class Exact>
UPSKILL_CPU_INLINE uint16_t encode_up(Exact value) {
  uint16_t nearest = Format::encode(round_to_odd(static_cast<double>(value)));
  return static_cast<Exact>(Format::decode(nearest)) < value ? next_up(nearest) : nearest;
}
template <class Format, class Exact>
UPSKILL_CPU_INLINE uint16_t encode_to_zero(Exact value) {
  return value < 0 ? encode_up<Format>(value) : encode_down<Format>(value);
}

}  // namespace upskill::cpu

#endif  // UPSKILL_CPU_NARROW_FLOAT_H
