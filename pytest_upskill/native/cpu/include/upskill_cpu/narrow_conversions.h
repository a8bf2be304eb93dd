// Conversions of one narrow floating type, under CUDA's names; included by cuda_fp16.h and cuda_bf16.h, which define
// NARROW, NARROW_RAW, FORMAT and NAMED(before, after): the function's name with the type's in its middle.
// It has no include guard, because each type includes it once.

#define NARROW_INTEGER(integer, name, Exact)                                                       \
  UPSKILL_CPU_INLINE integer NAMED(__, 2##name##_rn)(NARROW a) {                                   \
    return ::upskill::cpu::to_integer<integer>(std::nearbyint(::upskill::cpu::wide(a)));           \
  }                                                                                                \
  UPSKILL_CPU_INLINE integer NAMED(__, 2##name##_rz)(NARROW a) { return static_cast<integer>(a); } \
  UPSKILL_CPU_INLINE integer NAMED(__, 2##name##_rd)(NARROW a) {                                   \
    return ::upskill::cpu::to_integer<integer>(std::floor(::upskill::cpu::wide(a)));               \
  }                                                                                                \
  UPSKILL_CPU_INLINE integer NAMED(__, 2##name##_ru)(NARROW a) {                                   \
    return ::upskill::cpu::to_integer<integer>(std::ceil(::upskill::cpu::wide(a)));                \
  }                                                                                                \
  UPSKILL_CPU_INLINE NARROW NAMED(__##name##2, _rn)(integer a) { return NARROW(a); }               \
  UPSKILL_CPU_INLINE NARROW NAMED(__##name##2, _rz)(integer a) {                                   \
    return NARROW_RAW{::upskill::cpu::encode_to_zero<FORMAT>(static_cast<Exact>(a))};              \
  }                                                                                                \
  UPSKILL_CPU_INLINE NARROW NAMED(__##name##2, _rd)(integer a) {                                   \
    return NARROW_RAW{::upskill::cpu::encode_down<FORMAT>(static_cast<Exact>(a))};                 \
  }                                                                                                \
  UPSKILL_CPU_INLINE NARROW NAMED(__##name##2, _ru)(integer a) {                                   \
    return NARROW_RAW{::upskill::cpu::encode_up<FORMAT>(static_cast<Exact>(a))};                   \
  }

NARROW_INTEGER(short, short, double)
NARROW_INTEGER(unsigned short, ushort, double)
NARROW_INTEGER(int, int, double)
NARROW_INTEGER(unsigned int, uint, double)
NARROW_INTEGER(long long, ll, long double)
NARROW_INTEGER(unsigned long long, ull, long double)
#undef NARROW_INTEGER

UPSKILL_CPU_INLINE signed char NAMED(__, 2char_rz)(NARROW a) { return static_cast<signed char>(a); }
UPSKILL_CPU_INLINE unsigned char NAMED(__, 2uchar_rz)(NARROW a) { return static_cast<unsigned char>(a); }

UPSKILL_CPU_INLINE float NAMED(__, 2float)(NARROW a) { return ::upskill::cpu::wide(a); }
UPSKILL_CPU_INLINE NARROW NAMED(__float2, )(float a) { return NARROW(a); }
UPSKILL_CPU_INLINE NARROW NAMED(__double2, )(double a) { return NARROW(a); }
UPSKILL_CPU_INLINE NARROW NAMED(__float2, _rn)(float a) { return NARROW(a); }
UPSKILL_CPU_INLINE NARROW NAMED(__float2, _rz)(float a) {
  return NARROW_RAW{::upskill::cpu::encode_to_zero<FORMAT>(a)};
}
UPSKILL_CPU_INLINE NARROW NAMED(__float2, _rd)(float a) { return NARROW_RAW{::upskill::cpu::encode_down<FORMAT>(a)}; }
UPSKILL_CPU_INLINE NARROW NAMED(__float2, _ru)(float a) { return NARROW_RAW{::upskill::cpu::encode_up<FORMAT>(a)}; }

UPSKILL_CPU_INLINE short NAMED(__, _as_short)(NARROW a) { return static_cast<short>(::upskill::cpu::bits_of(a)); }
UPSKILL_CPU_INLINE unsigned short NAMED(__, _as_ushort)(NARROW a) { return ::upskill::cpu::bits_of(a); }
UPSKILL_CPU_INLINE NARROW NAMED(__short_as_, )(short a) { return NARROW_RAW{static_cast<unsigned short>(a)}; }
UPSKILL_CPU_INLINE NARROW NAMED(__ushort_as_, )(unsigned short a) { return NARROW_RAW{a}; }
