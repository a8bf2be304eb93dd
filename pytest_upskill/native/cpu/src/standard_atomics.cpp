// What -fsanitize=thread makes of std::atomic and the __atomic builtins, in host code above all: the operation itself.
#include <cstdint>

#define ARITHMETIC(type, bits, name, builtin) \
  type __tsan_atomic##bits##_##name(volatile type* p, type v, int) { return builtin(p, v, __ATOMIC_SEQ_CST); }

#define ATOMICS(type, bits)                                                                                     \
  type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
  ARITHMETIC(type, bits, exchange, __atomic_exchange_n)                                                         \
  ARITHMETIC(type, bits, fetch_add, __atomic_fetch_add)                                                         \
  ARITHMETIC(type, bits, fetch_sub, __atomic_fetch_sub)                                                         \
  ARITHMETIC(type, bits, fetch_and, __atomic_fetch_and)                                                         \
  ARITHMETIC(type, bits, fetch_or, __atomic_fetch_or)                                                           \
  ARITHMETIC(type, bits, fetch_xor, __atomic_fetch_xor)                                                         \
  ARITHMETIC(type, bits, fetch_nand, __atomic_fetch_nand)                                                       \
  bool __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* expected, type v, int, int) {      \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
  }                                                                                                             \
  bool __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* expected, type v, int, int) {        \
    return __atomic_compare_exchange_n(p, expected, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }

extern "C" {

ATOMICS(uint8_t, 8)
ATOMICS(uint16_t, 16)
ATOMICS(uint32_t, 32)
ATOMICS(uint64_t, 64)

void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

}  // extern "C"
