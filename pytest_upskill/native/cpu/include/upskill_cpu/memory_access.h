// Loads and stores with a cache hint: plain ones here, so that they are checked like any other access. The exceptions
// are those that bypass the L1 cache, which a thread may use to poll a flag: they are volatile.
#ifndef UPSKILL_CPU_MEMORY_ACCESS_H
#define UPSKILL_CPU_MEMORY_ACCESS_H

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "keywords.h"

namespace upskill::cpu {

// CUDA has overloads for arithmetic types and for its vectors; all of them can be copied bit by bit.
template <class T>
using if_loadable = std::enable_if_t<std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>, T>;

}  // namespace upskill::cpu

#define UPSKILL_CPU_LOAD(name)                                         \
  template <class T>                                                   \
  UPSKILL_CPU_INLINE ::upskill::cpu::if_loadable<T> name(const T* p) { \
    return *p;                                                         \
  }
#define UPSKILL_CPU_FRESH_LOAD(name)                                   \
  template <class T>                                                   \
  UPSKILL_CPU_INLINE ::upskill::cpu::if_loadable<T> name(const T* p) { \
    if constexpr (std::is_arithmetic_v<T>)                             \
      return *static_cast<const volatile T*>(p);                       \
    else                                                               \
      return *p;                                                       \
  }
#define UPSKILL_CPU_STORE(name)                                              \
  template <class T>                                                         \
  UPSKILL_CPU_INLINE void name(T* p, ::upskill::cpu::if_loadable<T> value) { \
    *p = value;                                                              \
  }

UPSKILL_CPU_LOAD(__ldg)
UPSKILL_CPU_LOAD(__ldca)
UPSKILL_CPU_LOAD(__ldcs)
UPSKILL_CPU_LOAD(__ldlu)
UPSKILL_CPU_FRESH_LOAD(__ldcg)
UPSKILL_CPU_FRESH_LOAD(__ldcv)
UPSKILL_CPU_STORE(__stwb)
UPSKILL_CPU_STORE(__stcg)
UPSKILL_CPU_STORE(__stcs)
UPSKILL_CPU_STORE(__stwt)
#undef UPSKILL_CPU_LOAD
#undef UPSKILL_CPU_FRESH_LOAD
#undef UPSKILL_CPU_STORE

// Addresses in shared memory have 32 bits; src/warp_exchange.cpp finds the pointer again.
UPSKILL_CPU_INLINE size_t __cvta_generic_to_shared(const void* pointer) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer));
}
UPSKILL_CPU_INLINE size_t __cvta_generic_to_global(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }
extern "C" char* upskill_cpu_shared_pointer(uint32_t address);
UPSKILL_CPU_INLINE void* __cvta_shared_to_generic(size_t address) {
  return upskill_cpu_shared_pointer(static_cast<uint32_t>(address));
}
UPSKILL_CPU_INLINE void* __cvta_global_to_generic(size_t address) { return reinterpret_cast<void*>(address); }
UPSKILL_CPU_INLINE unsigned int __isShared(const void* pointer) {
  return pointer == upskill_cpu_shared_pointer(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer)));
}
UPSKILL_CPU_INLINE unsigned int __isGlobal(const void* pointer) { return !__isShared(pointer); }

#endif  // UPSKILL_CPU_MEMORY_ACCESS_H
