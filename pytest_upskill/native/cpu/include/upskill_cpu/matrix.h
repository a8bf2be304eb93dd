// Matrix products of a warp: each lane shows its registers, and computes the elements that it owns.
#ifndef UPSKILL_CPU_MATRIX_H
#define UPSKILL_CPU_MATRIX_H

#include <cstdint>
#include <type_traits>

#include "../cuda_bf16.h"
#include "../cuda_fp16.h"
#include "warp_exchange.h"

namespace upskill::cpu::matrix {

// A 32-bit word of which the product reads 19 bits.
struct Tf32 {
  float value;
};
UPSKILL_CPU_INLINE float to_tf32(float value) { return __uint_as_float(__float_as_uint(value) & 0xffffe000u); }

template <class T>
struct Wide {
  using type = float;
};
template <>
struct Wide<int8_t> {
  using type = int32_t;
};
template <>
struct Wide<uint8_t> {
  using type = int32_t;
};
template <>
struct Wide<double> {
  using type = double;
};
template <class T>
using wide_t = typename Wide<T>::type;

template <class T>
UPSKILL_CPU_INLINE wide_t<T> widen(T value) {
  if constexpr (std::is_same_v<T, Tf32>)
    return to_tf32(value.value);
  else
    return static_cast<wide_t<T>>(value);
}

// Elements of a register pair up in the dimension K. `lane / 4` is a row of A and a column of B.
template <class T>
constexpr int per_word = static_cast<int>(4 / sizeof(T));

struct Registers {
  uint32_t a[4], b[2];
};

// The element of A at (row, k), from the registers of the lane that holds it.
template <class T>
UPSKILL_CPU_INLINE wide_t<T> element(const Registers* lanes, bool of_a, int line, int k) {
  constexpr int count = per_word<T>;
  const int word = k / (4 * count), lane = line % 8 * 4 + k % (4 * count) / count;
  const uint32_t bits = of_a ? lanes[lane].a[2 * word + line / 8] : lanes[lane].b[word];
  T values[count];
  __builtin_memcpy(values, &bits, sizeof bits);
  return widen(values[k % count]);
}

// D = A B + C for m16n8, with the fragments of mma.sync (PTX ISA, "Matrix fragments for mma.m16n8k..").
template <int K, class A, class B>
UPSKILL_CPU_UNCHECKED inline void multiply_m16n8(const Registers& own, const wide_t<A> (&c)[4], wide_t<A> (&d)[4],
                                                 int line) {
  static_assert(per_word<A> == per_word<B>);
  const auto* lanes = static_cast<const Registers*>(upskill_cpu_warp_exchange(&own, sizeof own, line));
  const int row = upskill_cpu_lane() / 4, column = upskill_cpu_lane() % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    wide_t<A> sum = c[i];
    for (int k = 0; k < K; ++k)
      sum += element<A>(lanes, true, row + i / 2 * 8, k) *
             static_cast<wide_t<A>>(element<B>(lanes, false, column + i % 2, k));
    d[i] = sum;
  }
}

}  // namespace upskill::cpu::matrix

#endif  // UPSKILL_CPU_MATRIX_H
