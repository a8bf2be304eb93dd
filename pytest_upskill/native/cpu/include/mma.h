// nvcuda::wmma: matrix fragments, distributed over the lanes of a warp.
//
// CUDA does not specify which lane holds which element. Accumulators of 16x16 are laid out as on current GPUs;
// everything else is distributed over the lanes in row-major order.
#ifndef UPSKILL_CPU_MMA_H
#define UPSKILL_CPU_MMA_H
#define __CUDA_MMA_H__

#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "upskill_cpu/matrix.h"

namespace nvcuda::wmma {

struct row_major;
struct col_major;
struct matrix_a;
struct matrix_b;
struct accumulator;
enum layout_t { mem_row_major, mem_col_major };

namespace precision {
struct tf32;
}

namespace detail {

template <class T>
struct Storage {
  using type = T;
  using element = T;
};
template <>
struct Storage<precision::tf32> {
  using type = float;
  using element = ::upskill::cpu::matrix::Tf32;
};

template <class Use, int M, int N, int K>
struct Shape {
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M, columns = std::is_same_v<Use, matrix_a> ? K : N;
  static constexpr int count = rows * columns / 32;

  // The position of element `i` of a lane.
  UPSKILL_CPU_INLINE static void place(int lane, int i, int& row, int& column) {
    if constexpr (std::is_same_v<Use, accumulator> && M == 16 && N == 16) {
      row = lane / 4 + i / 2 % 2 * 8;
      column = lane % 4 * 2 + i % 2 + i / 4 * 8;
    } else {
      row = (i * 32 + lane) / columns;
      column = (i * 32 + lane) % columns;
    }
  }
};

}  // namespace detail

template <class Use, int M, int N, int K, class T, class Layout = void>
class fragment {
 public:
  using element_type = typename detail::Storage<T>::element;
  using storage_element_type = typename detail::Storage<T>::type;
  static constexpr int num_elements = detail::Shape<Use, M, N, K>::count;
  static constexpr int num_storage_elements = num_elements;
  storage_element_type x[num_elements];
};

template <class Use, int M, int N, int K, class T, class Layout, class V>
UPSKILL_CPU_INLINE void fill_fragment(fragment<Use, M, N, K, T, Layout>& f, const V& value) {
  for (auto& element : f.x) element = static_cast<std::remove_reference_t<decltype(element)>>(value);
}

UPSKILL_CPU_INLINE float __float_to_tf32(float value) {
  const uint32_t bits = __float_as_uint(value);
  return (bits & 0x7f800000u) == 0x7f800000u ? value : __uint_as_float((bits + 0x1000u) & 0xffffe000u);
}

namespace detail {

template <class Use, int M, int N, int K, class T, class Layout, class Memory>
UPSKILL_CPU_INLINE void load(fragment<Use, M, N, K, T, Layout>& f, const Memory* p, unsigned ldm, bool by_row) {
  for (int i = 0; i < f.num_elements; ++i) {
    int row, column;
    Shape<Use, M, N, K>::place(upskill_cpu_lane(), i, row, column);
    f.x[i] = p[by_row ? static_cast<size_t>(row) * ldm + column : static_cast<size_t>(column) * ldm + row];
  }
}

}  // namespace detail

template <class Use, int M, int N, int K, class T, class Layout, class Memory>
UPSKILL_CPU_INLINE void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const Memory* p, unsigned ldm) {
  static_assert(!std::is_same_v<Use, accumulator>, "an accumulator's layout is an argument of load_matrix_sync");
  detail::load(f, p, ldm, std::is_same_v<Layout, row_major>);
}
template <int M, int N, int K, class T, class Memory>
UPSKILL_CPU_INLINE void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const Memory* p, unsigned ldm,
                                         layout_t layout) {
  detail::load(f, p, ldm, layout == mem_row_major);
}
template <int M, int N, int K, class T, class Memory>
UPSKILL_CPU_INLINE void store_matrix_sync(Memory* p, const fragment<accumulator, M, N, K, T>& f, unsigned ldm,
                                          layout_t layout) {
  for (int i = 0; i < f.num_elements; ++i) {
    int row, column;
    detail::Shape<accumulator, M, N, K>::place(upskill_cpu_lane(), i, row, column);
    p[layout == mem_row_major ? static_cast<size_t>(row) * ldm + column : static_cast<size_t>(column) * ldm + row] =
        f.x[i];
  }
}

namespace detail {

template <class Wide, int CountA, int CountB>
struct Operands {
  Wide a[CountA], b[CountB];
};

template <class T, class S>
UPSKILL_CPU_INLINE auto widen(S value) {
  if constexpr (std::is_same_v<T, precision::tf32>)
    return ::upskill::cpu::matrix::to_tf32(value);
  else
    return ::upskill::cpu::matrix::widen(value);
}

template <int M, int N, int K, class T, class LA, class LB, class D, class C>
UPSKILL_CPU_UNCHECKED void multiply(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, T, LA>& a,
                                    const fragment<matrix_b, M, N, K, T, LB>& b,
                                    const fragment<accumulator, M, N, K, C>& c, int line) {
  using Wide = decltype(widen<T>(a.x[0]));
  Operands<Wide, a.num_elements, b.num_elements> own;
  for (int i = 0; i < a.num_elements; ++i) own.a[i] = widen<T>(a.x[i]);
  for (int i = 0; i < b.num_elements; ++i) own.b[i] = widen<T>(b.x[i]);
  const auto* lanes = static_cast<const decltype(own)*>(upskill_cpu_warp_exchange(&own, sizeof own, line));
  for (int i = 0; i < d.num_elements; ++i) {
    int row, column;
    Shape<accumulator, M, N, K>::place(upskill_cpu_lane(), i, row, column);
    auto sum = static_cast<Wide>(c.x[i]);
    for (int k = 0; k < K; ++k) {
      const int in_a = row * K + k, in_b = k * N + column;
      sum += lanes[in_a % 32].a[in_a / 32] * lanes[in_b % 32].b[in_b / 32];
    }
    d.x[i] = static_cast<typename fragment<accumulator, M, N, K, D>::storage_element_type>(sum);
  }
}

}  // namespace detail

template <int M, int N, int K, class T, class LA, class LB, class D, class C>
UPSKILL_CPU_INLINE void mma_sync(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, T, LA>& a,
                                 const fragment<matrix_b, M, N, K, T, LB>& b,
                                 const fragment<accumulator, M, N, K, C>& c, bool = false,
                                 int line = __builtin_LINE()) {
  detail::multiply(d, a, b, c, line);
}

}  // namespace nvcuda::wmma

#endif  // UPSKILL_CPU_MMA_H
