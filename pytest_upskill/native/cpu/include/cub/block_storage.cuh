// Shared code of the parts of CUB: temporary storage, ranks, operations.
#ifndef UPSKILL_CPU_CUB_BLOCK_STORAGE_CUH
#define UPSKILL_CPU_CUB_BLOCK_STORAGE_CUH

#include "../cooperative_groups.h"
#include "../cuda_runtime.h"

namespace cub {

namespace detail {

// Room for values of any type, without a constructor, so that it can be __shared__ and a member of a union.
template <class T, int Count>
struct BlockStorage {
  alignas(T) unsigned char bytes[sizeof(T) * static_cast<size_t>(Count)];
  UPSKILL_CPU_INLINE T& operator[](int i) { return reinterpret_cast<T*>(bytes)[i]; }
};
struct NoStorage {
  unsigned char unused;
};

UPSKILL_CPU_INLINE int rank() { return static_cast<int>(cooperative_groups::details::rank_in_block()); }

struct Add {
  template <class T>
  UPSKILL_CPU_INLINE T operator()(const T& a, const T& b) const {
    return static_cast<T>(a + b);
  }
};

}  // namespace detail

// The functors of CUB 1 and 2; from version 3 on they are cuda::std::plus, cuda::maximum and cuda::minimum.
using Sum = detail::Add;
struct Max {
  template <class T, class U>
  UPSKILL_CPU_INLINE auto operator()(const T& a, const U& b) const {
    return a < b ? b : a;
  }
};
struct Min {
  template <class T, class U>
  UPSKILL_CPU_INLINE auto operator()(const T& a, const U& b) const {
    return b < a ? b : a;
  }
};

template <class Key, class Value>
struct KeyValuePair {
  Key key;
  Value value;
};
struct ArgMax {
  template <class Key, class Value>
  UPSKILL_CPU_INLINE KeyValuePair<Key, Value> operator()(const KeyValuePair<Key, Value>& a,
                                                         const KeyValuePair<Key, Value>& b) const {
    return a.value < b.value || (a.value == b.value && b.key < a.key) ? b : a;
  }
};
struct ArgMin {
  template <class Key, class Value>
  UPSKILL_CPU_INLINE KeyValuePair<Key, Value> operator()(const KeyValuePair<Key, Value>& a,
                                                         const KeyValuePair<Key, Value>& b) const {
    return b.value < a.value || (a.value == b.value && b.key < a.key) ? b : a;
  }
};

}  // namespace cub

#endif  // UPSKILL_CPU_CUB_BLOCK_STORAGE_CUH
