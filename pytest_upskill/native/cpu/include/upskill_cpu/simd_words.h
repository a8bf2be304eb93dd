// Intrinsics that treat a word as two halves or four bytes.
#ifndef UPSKILL_CPU_SIMD_WORDS_H
#define UPSKILL_CPU_SIMD_WORDS_H

#include <cstdint>
#include <limits>

#include "keywords.h"

namespace upskill::cpu {

// Applies an operation to each part of two words. Parts are widened, so that nothing overflows on the way.
template <class Part, class Operation>
UPSKILL_CPU_INLINE unsigned int by_part(unsigned int a, unsigned int b, Operation operation) {
  constexpr int bits = 8 * sizeof(Part);
  unsigned int result = 0;
  for (int at = 0; at < 32; at += bits) {
    const int value =
        operation(static_cast<int>(static_cast<Part>(a >> at)), static_cast<int>(static_cast<Part>(b >> at)));
    result |= (static_cast<unsigned int>(value) & (~0u >> (32 - bits))) << at;
  }
  return result;
}

template <class Part>
UPSKILL_CPU_INLINE int saturate_to(int value) {
  constexpr int least = std::numeric_limits<Part>::min(), most = std::numeric_limits<Part>::max();
  return value < least ? least : value > most ? most : value;
}

template <class Part>
UPSKILL_CPU_INLINE unsigned int sum_of_differences(unsigned int a, unsigned int b) {
  constexpr int bits = 8 * sizeof(Part);
  unsigned int sum = 0;
  for (int at = 0; at < 32; at += bits) {
    const int x = static_cast<Part>(a >> at), y = static_cast<Part>(b >> at);
    sum += static_cast<unsigned int>(x < y ? y - x : x - y);
  }
  return sum;
}

}  // namespace upskill::cpu

#define UPSKILL_CPU_SIMD(name, Part, expression)                                                           \
  UPSKILL_CPU_INLINE unsigned int name(unsigned int first, unsigned int second) {                          \
    return ::upskill::cpu::by_part<Part>(first, second,                                                    \
                                         [](int a, [[maybe_unused]] int b) -> int { return expression; }); \
  }
#define UPSKILL_CPU_SIMD1(name, Part, expression)                                                 \
  UPSKILL_CPU_INLINE unsigned int name(unsigned int first) {                                      \
    return ::upskill::cpu::by_part<Part>(first, 0, [](int a, int) -> int { return expression; }); \
  }
#define UPSKILL_CPU_COMPARISONS(parts, sign, Part)                                         \
  UPSKILL_CPU_SIMD(__vcmplt##sign##parts, Part, a < b ? -1 : 0)                            \
  UPSKILL_CPU_SIMD(__vcmple##sign##parts, Part, a <= b ? -1 : 0)                           \
  UPSKILL_CPU_SIMD(__vcmpgt##sign##parts, Part, a > b ? -1 : 0)                            \
  UPSKILL_CPU_SIMD(__vcmpge##sign##parts, Part, a >= b ? -1 : 0)                           \
  UPSKILL_CPU_SIMD(__vsetlt##sign##parts, Part, a < b)                                     \
  UPSKILL_CPU_SIMD(__vsetle##sign##parts, Part, a <= b)                                    \
  UPSKILL_CPU_SIMD(__vsetgt##sign##parts, Part, a > b)                                     \
  UPSKILL_CPU_SIMD(__vsetge##sign##parts, Part, a >= b)                                    \
  UPSKILL_CPU_SIMD(__vmax##sign##parts, Part, a < b ? b : a)                               \
  UPSKILL_CPU_SIMD(__vmin##sign##parts, Part, b < a ? b : a)                               \
  UPSKILL_CPU_SIMD(__vabsdiff##sign##parts, Part, a < b ? b - a : a - b)                   \
  UPSKILL_CPU_SIMD(__vadd##sign##s##parts, Part, ::upskill::cpu::saturate_to<Part>(a + b)) \
  UPSKILL_CPU_SIMD(__vsub##sign##s##parts, Part, ::upskill::cpu::saturate_to<Part>(a - b)) \
  UPSKILL_CPU_INLINE unsigned int __vsad##sign##parts(unsigned int a, unsigned int b) {    \
    return ::upskill::cpu::sum_of_differences<Part>(a, b);                                 \
  }
#define UPSKILL_CPU_SIMD_WORDS(parts, Signed, Unsigned)                                           \
  UPSKILL_CPU_COMPARISONS(parts, s, Signed)                                                       \
  UPSKILL_CPU_COMPARISONS(parts, u, Unsigned)                                                     \
  UPSKILL_CPU_SIMD(__vadd##parts, Unsigned, a + b)                                                \
  UPSKILL_CPU_SIMD(__vsub##parts, Unsigned, a - b)                                                \
  UPSKILL_CPU_SIMD(__vcmpeq##parts, Unsigned, a == b ? -1 : 0)                                    \
  UPSKILL_CPU_SIMD(__vcmpne##parts, Unsigned, a != b ? -1 : 0)                                    \
  UPSKILL_CPU_SIMD(__vseteq##parts, Unsigned, a == b)                                             \
  UPSKILL_CPU_SIMD(__vsetne##parts, Unsigned, a != b)                                             \
  UPSKILL_CPU_SIMD(__vavgs##parts, Signed, (a + b + (a + b >= 0)) >> 1)                           \
  UPSKILL_CPU_SIMD(__vavgu##parts, Unsigned, (a + b + 1) >> 1)                                    \
  UPSKILL_CPU_SIMD(__vhaddu##parts, Unsigned, (a + b) >> 1)                                       \
  UPSKILL_CPU_SIMD1(__vabs##parts, Signed, a < 0 ? -a : a)                                        \
  UPSKILL_CPU_SIMD1(__vabsss##parts, Signed, ::upskill::cpu::saturate_to<Signed>(a < 0 ? -a : a)) \
  UPSKILL_CPU_SIMD1(__vneg##parts, Signed, -a)                                                    \
  UPSKILL_CPU_SIMD1(__vnegss##parts, Signed, ::upskill::cpu::saturate_to<Signed>(-a))

UPSKILL_CPU_SIMD_WORDS(2, int16_t, uint16_t)
UPSKILL_CPU_SIMD_WORDS(4, int8_t, uint8_t)
#undef UPSKILL_CPU_SIMD_WORDS
#undef UPSKILL_CPU_COMPARISONS
#undef UPSKILL_CPU_SIMD1
#undef UPSKILL_CPU_SIMD

// Two 16-bit numbers times the two low or high bytes of b, added to c.
UPSKILL_CPU_INLINE int __dp2a_lo(int a, int b, int c) {
  return c + static_cast<int16_t>(a) * static_cast<int8_t>(b) +
         static_cast<int16_t>(a >> 16) * static_cast<int8_t>(b >> 8);
}
UPSKILL_CPU_INLINE unsigned int __dp2a_lo(unsigned int a, unsigned int b, unsigned int c) {
  return c + (a & 0xffff) * (b & 0xff) + (a >> 16) * (b >> 8 & 0xff);
}
UPSKILL_CPU_INLINE int __dp2a_hi(int a, int b, int c) { return __dp2a_lo(a, b >> 16, c); }
UPSKILL_CPU_INLINE unsigned int __dp2a_hi(unsigned int a, unsigned int b, unsigned int c) {
  return __dp2a_lo(a, b >> 16, c);
}

#endif  // UPSKILL_CPU_SIMD_WORDS_H
