// A copy shared by the threads of a group, in the largest pieces that alignment allows.
#ifndef UPSKILL_CPU_GROUP_COPY_H
#define UPSKILL_CPU_GROUP_COPY_H

#include <cstddef>
#include <cstdint>

#include "async_copy.h"
#include "keywords.h"

namespace upskill::cpu {

// Requests the pieces of the thread with this rank; nothing is copied before the wait.
UPSKILL_CPU_INLINE void copy_share(void* target, const void* source, size_t bytes, size_t rank, size_t threads) {
  const uintptr_t places = reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source);
  const size_t piece = places % 16 == 0 ? 16 : places % 4 == 0 ? 4 : 1;
  for (size_t at = rank * piece; at < bytes; at += threads * piece) {
    const size_t count = bytes - at < piece ? bytes - at : piece;
    upskill_cpu_async_copy(static_cast<char*>(target) + at, static_cast<const char*>(source) + at, count, count);
  }
}

}  // namespace upskill::cpu

#endif  // UPSKILL_CPU_GROUP_COPY_H
