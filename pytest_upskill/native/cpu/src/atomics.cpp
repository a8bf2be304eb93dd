// Atomic operations. With one OS thread they are plain read-modify-writes, recorded as atomic in the memory checks.
#include "upskill_cpu/atomics.h"

#include <cstdint>

#include "block.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "launch_state.h"
#include "memory_checks.h"

namespace {

using namespace upskill::cpu;

// A thread whose atomics change nothing polls for another thread (a lock, a flag), which must run.
void count_idle(const void* address) {
  if (!in_kernel) return;
  static const void* last_address;
  static int last_thread, repeats;
  constexpr int patience = 64;
  if (address != last_address || block.current != last_thread) repeats = 0;
  last_address = address;
  last_thread = block.current;
  if (++repeats < patience) return;
  repeats = 0;
  yield();
}

template <class T, class Operation>
inline T exchange(T* address, uintptr_t pc, Operation operation) {
  check_access(reinterpret_cast<uintptr_t>(address), sizeof(T), Access::atomic, pc);
  if (reinterpret_cast<uintptr_t>(address) % alignof(T) != 0)
    abort_launch(cudaErrorMisalignedAddress, Assertion::runs, "misaligned-address", pc,
                 format("an atomic operation on a misaligned address,%s", where().c_str()));
  const T old = *address;
  const T updated = operation(old);
  *address = updated;
  if (__builtin_memcmp(&old, &updated, sizeof(T)) == 0) count_idle(address);
  return old;
}

}  // namespace

extern "C" void upskill_cpu_atomic_store_4(unsigned int* address, unsigned int value) {
  check_access(reinterpret_cast<uintptr_t>(address), sizeof *address, Access::atomic_store,
               reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  *address = value;
}

extern "C" void upskill_cpu_atomic_store_8(unsigned long long* address, unsigned long long value) {
  check_access(reinterpret_cast<uintptr_t>(address), sizeof *address, Access::atomic_store,
               reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  *address = value;
}

#define DEFINE(T, name, expression)                                                           \
  T name(T* address, T value) {                                                               \
    return exchange(address, reinterpret_cast<uintptr_t>(__builtin_return_address(0)),        \
                    [&]([[maybe_unused]] T old) -> T { return static_cast<T>(expression); }); \
  }

#define DEFINE_ARITHMETIC(T)                      \
  DEFINE(T, atomicExch, value)                    \
  DEFINE(T, atomicMin, value < old ? value : old) \
  DEFINE(T, atomicMax, old < value ? value : old)

#define DEFINE_BITWISE(T)          \
  DEFINE(T, atomicAnd, old& value) \
  DEFINE(T, atomicOr, old | value) \
  DEFINE(T, atomicXor, old ^ value)

#define DEFINE_CAS(T)                                                                  \
  T atomicCAS(T* address, T compare, T value) {                                        \
    return exchange(address, reinterpret_cast<uintptr_t>(__builtin_return_address(0)), \
                    [&](T old) -> T { return old == compare ? value : old; });         \
  }

// Signed sums wrap around.
DEFINE(int, atomicAdd, static_cast<unsigned>(old) + static_cast<unsigned>(value))
DEFINE(unsigned int, atomicAdd, old + value)
DEFINE(unsigned long long, atomicAdd, old + value)
DEFINE(int, atomicSub, static_cast<unsigned>(old) - static_cast<unsigned>(value))
DEFINE(unsigned int, atomicSub, old - value)
DEFINE(unsigned int, atomicInc, old >= value ? 0 : old + 1)
DEFINE(unsigned int, atomicDec, old == 0 || old > value ? value : old - 1)
DEFINE_ARITHMETIC(int)
DEFINE_ARITHMETIC(unsigned int)
DEFINE_ARITHMETIC(unsigned long long)
DEFINE(long long, atomicMin, value < old ? value : old)
DEFINE(long long, atomicMax, old < value ? value : old)
DEFINE_BITWISE(int)
DEFINE_BITWISE(unsigned int)
DEFINE_BITWISE(unsigned long long)
DEFINE(float, atomicAdd, old + value)
DEFINE(double, atomicAdd, old + value)
DEFINE(float, atomicExch, value)
DEFINE(float2, atomicAdd, (float2{old.x + value.x, old.y + value.y}))
DEFINE(float4, atomicAdd, (float4{old.x + value.x, old.y + value.y, old.z + value.z, old.w + value.w}))
DEFINE(__half, atomicAdd, old + value)
DEFINE(__half2, atomicAdd, old + value)
DEFINE(__nv_bfloat16, atomicAdd, old + value)
DEFINE(__nv_bfloat162, atomicAdd, old + value)
DEFINE_CAS(int)
DEFINE_CAS(unsigned int)
DEFINE_CAS(unsigned long long)
DEFINE_CAS(unsigned short)
