// Loads and stores with a cache hint: plain ones here, so that they are checked like any other access.
#ifndef UPSKILL_CPU_MEMORY_ACCESS_H
#define UPSKILL_CPU_MEMORY_ACCESS_H

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
#define UPSKILL_CPU_STORE(name)                                              \
  template <class T>                                                         \
  UPSKILL_CPU_INLINE void name(T* p, ::upskill::cpu::if_loadable<T> value) { \
    *p = value;                                                              \
  }

UPSKILL_CPU_LOAD(__ldg)
UPSKILL_CPU_LOAD(__ldca)
UPSKILL_CPU_LOAD(__ldcg)
UPSKILL_CPU_LOAD(__ldcs)
UPSKILL_CPU_LOAD(__ldcv)
UPSKILL_CPU_LOAD(__ldlu)
UPSKILL_CPU_STORE(__stwb)
UPSKILL_CPU_STORE(__stcg)
UPSKILL_CPU_STORE(__stcs)
UPSKILL_CPU_STORE(__stwt)
#undef UPSKILL_CPU_LOAD
#undef UPSKILL_CPU_STORE

#endif  // UPSKILL_CPU_MEMORY_ACCESS_H
