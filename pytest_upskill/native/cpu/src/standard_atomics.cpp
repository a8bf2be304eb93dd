// std::atomic and the __atomic builtins as compiled by -fsanitize=thread: the operation itself, and within a kernel its
// memory order.
#include <cstdint>

#include "launch_state.h"
#include "memory_checks.h"
#include "ordering.h"

namespace {

using namespace upskill::cpu;

void announce(const volatile void* p, size_t size, Access access, int order, void* pc) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  if (!in_kernel) return check_access(address, size, access, reinterpret_cast<uintptr_t>(pc));
  if (access == Access::volatile_read)
    poll(address);
  else if (order >= __ATOMIC_RELEASE)
    fence(true);
  check_access(address, size, access, reinterpret_cast<uintptr_t>(pc));
}

}  // namespace

#define ANNOUNCE(access, order) announce(p, sizeof *p, Access::access, order, __builtin_return_address(0))

#define ARITHMETIC(type, bits, name, builtin)                              \
  type __tsan_atomic##bits##_##name(volatile type* p, type v, int order) { \
    ANNOUNCE(atomic, order);                                               \
    return builtin(p, v, __ATOMIC_SEQ_CST);                                \
  }

#define COMPARE(type, bits, name, weak)                                                                          \
  bool __tsan_atomic##bits##_compare_exchange_##name(volatile type* p, type* expected, type v, int order, int) { \
    ANNOUNCE(atomic, order);                                                                                     \
    if (*p != *expected) poll(reinterpret_cast<uintptr_t>(p));                                                   \
    return __atomic_compare_exchange_n(p, expected, v, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
  }

#define ATOMICS(type, bits)                                               \
  type __tsan_atomic##bits##_load(const volatile type* p, int order) {    \
    ANNOUNCE(volatile_read, order);                                       \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                          \
  }                                                                       \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int order) { \
    ANNOUNCE(volatile_write, order);                                      \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                             \
  }                                                                       \
  ARITHMETIC(type, bits, exchange, __atomic_exchange_n)                   \
  ARITHMETIC(type, bits, fetch_add, __atomic_fetch_add)                   \
  ARITHMETIC(type, bits, fetch_sub, __atomic_fetch_sub)                   \
  ARITHMETIC(type, bits, fetch_and, __atomic_fetch_and)                   \
  ARITHMETIC(type, bits, fetch_or, __atomic_fetch_or)                     \
  ARITHMETIC(type, bits, fetch_xor, __atomic_fetch_xor)                   \
  ARITHMETIC(type, bits, fetch_nand, __atomic_fetch_nand)                 \
  COMPARE(type, bits, strong, false)                                      \
  COMPARE(type, bits, weak, true)

extern "C" {

ATOMICS(uint8_t, 8)
ATOMICS(uint16_t, 16)
ATOMICS(uint32_t, 32)
ATOMICS(uint64_t, 64)

void __tsan_atomic_thread_fence(int) {
  if (in_kernel) fence(true);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

}  // extern "C"
