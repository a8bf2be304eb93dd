// What inline PTX is translated to (see ptx.py and ptx_instructions.py). Included by units that have some.
#ifndef UPSKILL_CPU_PTX_H
#define UPSKILL_CPU_PTX_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../cuda_bf16.h"
#include "../cuda_fp16.h"
#include "../cuda_runtime.h"
#include "async_copy.h"
#include "matrix.h"
#include "split_barrier.h"
#include "warp_exchange.h"

namespace upskill::cpu::ptx {

using matrix::Tf32;

// --------------------------------------------------------------------------------------------- operands

// A register's contents as a value of the instruction's type: bits where the sizes are the same, else a conversion.
template <class T, class X>
UPSKILL_CPU_INLINE T as(const X& x) {
  if constexpr (std::is_array_v<X>) {
    return as<T>(&x[0]);
  } else if constexpr (sizeof(T) == sizeof(X) && !std::is_same_v<T, bool>) {
    T value;
    __builtin_memcpy(static_cast<void*>(&value), &x, sizeof value);
    return value;
  } else if constexpr (std::is_pointer_v<X>) {
    return static_cast<T>(reinterpret_cast<uintptr_t>(x));
  } else if constexpr (std::is_floating_point_v<X> || std::is_floating_point_v<T> || std::is_integral_v<X> ||
                       std::is_enum_v<X>) {
    if constexpr (std::is_arithmetic_v<T>)
      return static_cast<T>(x);
    else
      return as<T>(static_cast<std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>>(x));
  } else {
    T value{};
    __builtin_memcpy(static_cast<void*>(&value), &x, sizeof x < sizeof value ? sizeof x : sizeof value);
    return value;
  }
}

template <class T, class D, class V>
UPSKILL_CPU_INLINE void put(D& d, const V& value) {
  d = as<D>(static_cast<T>(value));
}

template <class T, class D, class... Parts>
UPSKILL_CPU_INLINE void pack(D& d, const Parts&... parts) {
  const T values[] = {as<T>(parts)...};
  static_assert(sizeof values == sizeof d, "the parts do not fill the register");
  __builtin_memcpy(static_cast<void*>(&d), values, sizeof d);
}
template <class T, class S, class... Parts>
UPSKILL_CPU_INLINE void unpack(const S& source, Parts&... parts) {
  T values[sizeof...(Parts)];
  static_assert(sizeof values == sizeof source, "the parts do not fill the register");
  __builtin_memcpy(values, &source, sizeof source);
  int next = 0;
  ((parts = as<Parts>(values[next++])), ...);
}

template <class X>
UPSKILL_CPU_INLINE char* pointer(const X& x) {
  return reinterpret_cast<char*>(as<uintptr_t>(x));
}
template <class X>
UPSKILL_CPU_INLINE char* shared_pointer(const X& x) {
  return upskill_cpu_shared_pointer(static_cast<uint32_t>(as<uintptr_t>(x)));
}

// --------------------------------------------------------------------------------------------- special registers

#define UPSKILL_CPU_SPECIAL(name, type, value) \
  UPSKILL_CPU_INLINE type special_##name() { return value; }
#define UPSKILL_CPU_SPECIAL3(name, object)              \
  UPSKILL_CPU_SPECIAL(name##_x, unsigned int, object.x) \
  UPSKILL_CPU_SPECIAL(name##_y, unsigned int, object.y) \
  UPSKILL_CPU_SPECIAL(name##_z, unsigned int, object.z)
UPSKILL_CPU_SPECIAL3(tid, threadIdx)
UPSKILL_CPU_SPECIAL3(ctaid, blockIdx)
UPSKILL_CPU_SPECIAL3(ntid, blockDim)
UPSKILL_CPU_SPECIAL3(nctaid, gridDim)
UPSKILL_CPU_INLINE unsigned int lane() { return static_cast<unsigned int>(upskill_cpu_lane()); }
UPSKILL_CPU_INLINE unsigned int rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
UPSKILL_CPU_SPECIAL(laneid, unsigned int, lane())
UPSKILL_CPU_SPECIAL(warpid, unsigned int, rank() / 32)
UPSKILL_CPU_SPECIAL(nwarpid, unsigned int, 64)
UPSKILL_CPU_SPECIAL(smid, unsigned int, blockIdx.x % 132)
UPSKILL_CPU_SPECIAL(nsmid, unsigned int, 132)
UPSKILL_CPU_SPECIAL(clock, unsigned int, static_cast<unsigned int>(clock64()))
UPSKILL_CPU_SPECIAL(clock64, unsigned long long, static_cast<unsigned long long>(clock64()))
UPSKILL_CPU_SPECIAL(clock_hi, unsigned int, static_cast<unsigned int>(clock64() >> 32))
UPSKILL_CPU_SPECIAL(globaltimer, unsigned long long, static_cast<unsigned long long>(upskill_cpu_timer()))
UPSKILL_CPU_SPECIAL(globaltimer_lo, unsigned int, static_cast<unsigned int>(upskill_cpu_timer()))
UPSKILL_CPU_SPECIAL(globaltimer_hi, unsigned int, static_cast<unsigned int>(upskill_cpu_timer() >> 32))
UPSKILL_CPU_SPECIAL(lanemask_eq, unsigned int, 1u << lane())
UPSKILL_CPU_SPECIAL(lanemask_lt, unsigned int, (1u << lane()) - 1)
UPSKILL_CPU_SPECIAL(lanemask_le, unsigned int, (2u << lane()) - 1)
UPSKILL_CPU_SPECIAL(lanemask_gt, unsigned int, ~((2u << lane()) - 1))
UPSKILL_CPU_SPECIAL(lanemask_ge, unsigned int, ~((1u << lane()) - 1))
#undef UPSKILL_CPU_SPECIAL3
#undef UPSKILL_CPU_SPECIAL

// --------------------------------------------------------------------------------------------- arithmetic

template <class T>
UPSKILL_CPU_INLINE T high_product(T a, T b) {
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(static_cast<std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>(a) * b >>
                          64);
  else
    return static_cast<T>(static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(a) * b >>
                          (8 * sizeof(T)));
}
UPSKILL_CPU_INLINE float fused(float a, float b, float c) { return std::fma(a, b, c); }
UPSKILL_CPU_INLINE double fused(double a, double b, double c) { return std::fma(a, b, c); }
template <class T>
UPSKILL_CPU_INLINE T lesser(T a, T b) {
  return std::fmin(a, b);
}
template <class T>
UPSKILL_CPU_INLINE T greater(T a, T b) {
  return std::fmax(a, b);
}
template <class T>
UPSKILL_CPU_INLINE T shift_left(T a, uint32_t by) {
  return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << by);
}
template <class T>
UPSKILL_CPU_INLINE T shift_right(T a, uint32_t by) {
  if (by >= 8 * sizeof(T)) return a < 0 ? static_cast<T>(-1) : T{0};
  return static_cast<T>(a >> by);
}
// Bit i of the result is the bit of `table` that the three bits i select.
UPSKILL_CPU_INLINE uint32_t lookup3(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (int i = 0; i < 8; ++i)
    if (table >> i & 1) result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}
template <class T>
UPSKILL_CPU_INLINE T extract_bits(T a, uint32_t at, uint32_t count) {
  constexpr uint32_t bits = 8 * sizeof(T);
  using Unsigned = std::make_unsigned_t<T>;
  at &= 0xff, count &= 0xff;
  if (count == 0) return 0;
  const uint32_t last = at + count - 1 < bits ? at + count - 1 : bits - 1;
  const bool negative = std::is_signed_v<T> && (static_cast<Unsigned>(a) >> last & 1) != 0;
  Unsigned field = at < bits ? static_cast<Unsigned>(a) >> at : 0;
  const Unsigned mask = count < bits ? (Unsigned{1} << count) - 1 : ~Unsigned{0};
  field &= mask;
  const uint32_t valid = at < bits ? bits - at : 0;  // sign bits fill what lies past the word
  if (negative && valid < count) field |= (valid < bits ? ~Unsigned{0} << valid : 0) & mask;
  return static_cast<T>(negative ? field | ~mask : field);
}
UPSKILL_CPU_INLINE uint32_t insert_bits(uint32_t a, uint32_t b, uint32_t at, uint32_t count) {
  at &= 0xff, count &= 0xff;
  if (count == 0 || at >= 32) return b;
  const uint32_t mask = (count < 32 ? (1u << count) - 1 : ~0u) << at;
  return (b & ~mask) | (a << at & mask);
}
UPSKILL_CPU_INLINE uint32_t round_to_tf32(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & 0xffffe000u;  // to nearest, ties away from zero
}

template <class T, class X>
UPSKILL_CPU_INLINE T convert_any(X x) {
  if constexpr (std::is_same_v<X, __half> || std::is_same_v<X, __nv_bfloat16>)
    return static_cast<T>(static_cast<float>(x));
  else
    return static_cast<T>(x);
}
#define UPSKILL_CPU_CONVERT(mode, function)                                   \
  template <class T, class X>                                                 \
  UPSKILL_CPU_INLINE T convert_##mode(X x) {                                  \
    const auto whole = function(static_cast<double>(convert_any<double>(x))); \
    if constexpr (std::is_integral_v<T>)                                      \
      return ::upskill::cpu::to_integer<T>(whole);                            \
    else                                                                      \
      return static_cast<T>(whole);                                           \
  }
UPSKILL_CPU_CONVERT(rni, std::nearbyint)
UPSKILL_CPU_CONVERT(rzi, std::trunc)
UPSKILL_CPU_CONVERT(rmi, std::floor)
UPSKILL_CPU_CONVERT(rpi, std::ceil)
#undef UPSKILL_CPU_CONVERT

// --------------------------------------------------------------------------------------------- memory

template <class T, int Count>
struct alignas(sizeof(T) * Count) Vector {
  T values[Count];
};

template <class T, class... D>
UPSKILL_CPU_INLINE void load_plain(const char* address, D&... d) {
  const auto loaded = *reinterpret_cast<const Vector<T, sizeof...(D)>*>(address);
  int next = 0;
  ((d = as<D>(
        static_cast<std::conditional_t<(sizeof(D) > sizeof(T)), std::conditional_t<std::is_integral_v<T>, D, T>, T>>(
            loaded.values[next++]))),
   ...);
}
template <class T, class... V>
UPSKILL_CPU_INLINE void store_plain(char* address, const V&... values) {
  if constexpr (sizeof...(V) == 1)
    ((*reinterpret_cast<T*>(address) = as<T>(values)), ...);
  else
    *reinterpret_cast<Vector<T, sizeof...(V)>*>(address) = Vector<T, sizeof...(V)>{{as<T>(values)...}};
}
// Volatile accesses are those that a thread may poll with.
template <class T, class... D>
UPSKILL_CPU_INLINE void load_volatile(const char* address, D&... d) {
  const auto* place = reinterpret_cast<const volatile T*>(address);
  int next = 0;
  ((d = as<D>(static_cast<T>(place[next++]))), ...);
}
template <class T, class... V>
UPSKILL_CPU_INLINE void store_volatile(char* address, const V&... values) {
  auto* place = reinterpret_cast<volatile T*>(address);
  int next = 0;
  ((place[next++] = as<T>(values)), ...);
}
template <class T, class... D>
UPSKILL_CPU_INLINE void load_relaxed(const char* address, D&... d) {
  load_volatile<T>(address, d...);
}
template <class T, class... V>
UPSKILL_CPU_INLINE void store_relaxed(char* address, const V&... values) {
  store_volatile<T>(address, values...);
}
template <class T, class... D>
UPSKILL_CPU_INLINE void load_acquire(const char* address, D&... d) {
  load_volatile<T>(address, d...);
  __threadfence();
}
template <class T, class... V>
UPSKILL_CPU_INLINE void store_release(char* address, const V&... values) {
  __threadfence();
  store_volatile<T>(address, values...);
}

UPSKILL_CPU_INLINE void copy_async(char* target, const char* source, size_t whole) {
  upskill_cpu_async_copy(target, source, whole, whole);
}
template <class Size, class... Policy>
UPSKILL_CPU_INLINE void copy_async(char* target, const char* source, size_t whole, Size bytes, const Policy&...) {
  // A 64-bit fourth operand is a cache policy; a 32-bit one says how much of the source is read.
  upskill_cpu_async_copy(target, source, whole, sizeof(Size) == 8 ? whole : static_cast<size_t>(bytes));
}

// --------------------------------------------------------------------------------------------- the block and the warp

UPSKILL_CPU_INLINE void barrier(uint32_t number, uint32_t threads = 0, int line = __builtin_LINE()) {
  if (number == 0 && threads == 0)
    __syncthreads(line);
  else
    upskill_cpu_numbered_barrier(number, threads, true, line);
}
UPSKILL_CPU_INLINE void barrier_arrive(uint32_t number, uint32_t threads, int line = __builtin_LINE()) {
  upskill_cpu_numbered_barrier(number, threads, false, line);
}
UPSKILL_CPU_INLINE int shuffle_width(uint32_t clamp) { return 32 - static_cast<int>(clamp >> 8 & 31); }

// --------------------------------------------------------------------------------------------- matrices

// A row of an 8x8 matrix of 16-bit elements; the hardware requires it to be aligned.
struct alignas(16) MatrixRow {
  uint16_t elements[8];
};

template <bool Transposed, class D>
UPSKILL_CPU_INLINE void load_matrix(const void* rows, int number, D& d) {
  const int lane = upskill_cpu_lane(), minor = lane % 4 * 2;
  uint16_t pair[2];
  for (int i = 0; i < 2; ++i) {
    const int row = Transposed ? minor + i : lane / 4, column = Transposed ? lane / 4 : minor + i;
    pair[i] = reinterpret_cast<const MatrixRow*>(upskill_cpu_shown_pointer(rows, 8 * number + row))->elements[column];
  }
  uint32_t word;
  __builtin_memcpy(&word, pair, sizeof word);
  d = as<D>(word);
}
template <bool Transposed, class... D>
UPSKILL_CPU_INLINE void load_matrices(const char* own_row, D&... d) {
  const void* rows = upskill_cpu_warp_exchange(&own_row, sizeof own_row, __builtin_LINE());
  int number = 0;
  (load_matrix<Transposed>(rows, number++, d), ...);
}
template <bool Transposed, class V>
UPSKILL_CPU_INLINE void store_matrix(const void* rows, int number, const V& value) {
  const int lane = upskill_cpu_lane(), minor = lane % 4 * 2;
  const auto word = as<uint32_t>(value);
  uint16_t pair[2];
  __builtin_memcpy(pair, &word, sizeof word);
  for (int i = 0; i < 2; ++i) {
    const int row = Transposed ? minor + i : lane / 4, column = Transposed ? lane / 4 : minor + i;
    reinterpret_cast<MatrixRow*>(upskill_cpu_shown_pointer(rows, 8 * number + row))->elements[column] = pair[i];
  }
}
template <bool Transposed, class... V>
UPSKILL_CPU_INLINE void store_matrices(char* own_row, const V&... values) {
  const void* rows = upskill_cpu_warp_exchange(&own_row, sizeof own_row, __builtin_LINE());
  int number = 0;
  (store_matrix<Transposed>(rows, number++, values), ...);
}

template <int Count>
struct Words {
  uint32_t values[Count];
};
template <class... V>
UPSKILL_CPU_INLINE Words<static_cast<int>(sizeof...(V))> words(const V&... values) {
  return {{as<uint32_t>(values)...}};
}

// mma.sync. `T` is the type of C and D: two elements of half a word each, or one.
template <int K, class T, class A, class B, int CountA, int CountB, int CountC, class... D>
UPSKILL_CPU_INLINE void multiply(const Words<CountA>& a, const Words<CountB>& b, const Words<CountC>& c, D&... d) {
  using Wide = matrix::wide_t<A>;
  matrix::Registers own{};
  static_assert(CountA <= 4 && CountB <= 2 && CountA == 2 * CountB, "these are not the fragments of this shape");
  for (int i = 0; i < CountA; ++i) own.a[i] = a.values[i];
  for (int i = 0; i < CountB; ++i) own.b[i] = b.values[i];
  T accumulators[4];
  static_assert(sizeof c == sizeof accumulators, "these are not the accumulators of this shape");
  __builtin_memcpy(static_cast<void*>(accumulators), &c, sizeof c);
  Wide before[4], after[4];
  for (int i = 0; i < 4; ++i) before[i] = static_cast<Wide>(accumulators[i]);
  matrix::multiply_m16n8<K, A, B>(own, before, after, __builtin_LINE());
  for (int i = 0; i < 4; ++i) accumulators[i] = static_cast<T>(after[i]);
  Words<CountC> result;
  __builtin_memcpy(&result, accumulators, sizeof result);
  int next = 0;
  ((d = as<D>(result.values[next++])), ...);
}

}  // namespace upskill::cpu::ptx

#endif  // UPSKILL_CPU_PTX_H
