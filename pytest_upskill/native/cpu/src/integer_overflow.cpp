#include "integer_overflow.h"

#include <cstddef>
#include <cstdint>

#include "block.h"
#include "launch_state.h"
#include "ordering.h"
#include "report.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

namespace {

// The latest overflow of each thread. Nothing is formatted here: a hash may overflow at every step.
struct Overflow {
  uintptr_t pc = 0;
  uint32_t block_start = 0;  // of which block of which launch
  uint64_t serial = 0;
  char operation = ' ';
  uint8_t bits = 0;
  int64_t left = 0, right = 0;
};
Overflow latest[max_threads];

int64_t widen(uint64_t value, unsigned bits) { return static_cast<int64_t>(value << (64 - bits)) >> (64 - bits); }

// "3000000000 does not fit", or an empty text where the value needs more than 64 bits.
std::string exact(const Overflow& overflow) {
  __int128 value = overflow.left;
  if (overflow.operation == '+') value += overflow.right;
  if (overflow.operation == '-') value -= overflow.right;
  if (overflow.operation == '*') value *= overflow.right;
  const auto shown = static_cast<int64_t>(value);
  return shown == value ? format("%lld does", static_cast<long long>(shown)) : "the result does";
}

}  // namespace

void report_overflow() {
  const Overflow& overflow = latest[block.current];
  if (overflow.serial != launch.serial || overflow.block_start != self.block_start) return;
  report(Assertion::memory, "integer-overflow", overflow.pc,
         format("%lld %c %lld: %s not fit a signed number of %d bits, and then the thread made an access to nowhere; "
                "compute indices that large in size_t or int64_t,%s",
                static_cast<long long>(overflow.left), overflow.operation, static_cast<long long>(overflow.right),
                exact(overflow).c_str(), overflow.bits, where().c_str()));
}

}  // namespace upskill::cpu

using namespace upskill::cpu;

namespace {

// As in GCC's libsanitizer (ubsan_handlers.h): the type's `info` is twice the logarithm of its bits, plus its sign.
struct TypeDescriptor {
  uint16_t kind, info;
  char name[1];
};
struct OverflowData {
  const char* file;
  uint32_t line, column;
  const TypeDescriptor* type;
};

// A number that does not fit a word comes by its address.
int64_t value_of(uintptr_t operand, unsigned bits) {
  return bits <= 64 ? widen(operand, bits) : *reinterpret_cast<const int64_t*>(operand);
}

void note(const OverflowData* data, uintptr_t left, char operation, uintptr_t right, void* pc) {
  if (!in_kernel) return;
  const unsigned bits = 1u << (data->type->info >> 1);
  latest[block.current] = {reinterpret_cast<uintptr_t>(pc), self.block_start,     launch.serial,        operation,
                           static_cast<uint8_t>(bits),      value_of(left, bits), value_of(right, bits)};
}

}  // namespace

extern "C" {

void __ubsan_handle_add_overflow(OverflowData* data, uintptr_t left, uintptr_t right) {
  note(data, left, '+', right, __builtin_return_address(0));
}
void __ubsan_handle_sub_overflow(OverflowData* data, uintptr_t left, uintptr_t right) {
  note(data, left, '-', right, __builtin_return_address(0));
}
void __ubsan_handle_mul_overflow(OverflowData* data, uintptr_t left, uintptr_t right) {
  note(data, left, '*', right, __builtin_return_address(0));
}
void __ubsan_handle_negate_overflow(OverflowData* data, uintptr_t value) {
  note(data, 0, '-', value, __builtin_return_address(0));
}
void __ubsan_handle_divrem_overflow(OverflowData* data, uintptr_t left, uintptr_t right) {
  note(data, left, '/', right, __builtin_return_address(0));
}

}  // extern "C"
