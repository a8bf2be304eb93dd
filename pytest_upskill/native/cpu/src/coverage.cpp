// What a traced build executed: which blocks of code, and what its comparisons of integers compared.
//
// The compiler's options -fsanitize-coverage=trace-pc,trace-cmp call these functions. Their only purpose is to find
// sizes that are worth trying: a kernel that writes nonsense here gains nothing but strange sizes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "../../device.h"
#include "module.h"

namespace upskill::cpu {

namespace {

constexpr size_t kPlaces = 1 << 13;
constexpr size_t kShown = 2048;
constexpr size_t kCases = 8;

// The operands that were nearest to each other, for each relation: less, equal, greater.
struct Compared {
  bool seen = false;
  int64_t left = 0, right = 0;
};

struct Place {
  uintptr_t pc = 0;
  Compared compared[3];
};

Place places[kPlaces];
size_t used = 0;

Place* find(uintptr_t pc) {
  for (size_t probe = pc * 0x9E3779B97F4A7C15ull >> 51, tries = 0; tries < kPlaces;
       probe = (probe + 1) % kPlaces, ++tries) {
    if (places[probe].pc == pc) return &places[probe];
    if (places[probe].pc != 0) continue;
    if (used == kPlaces / 2) return nullptr;
    ++used;
    places[probe].pc = pc;
    return &places[probe];
  }
  return nullptr;
}

uint64_t distance(int64_t left, int64_t right) {
  const auto a = static_cast<uint64_t>(left), b = static_cast<uint64_t>(right);
  return left < right ? b - a : a - b;
}

void compare(uintptr_t pc, int64_t left, int64_t right) {
  Place* place = find(pc);
  if (place == nullptr) return;
  Compared& known = place->compared[left < right ? 0 : left == right ? 1 : 2];
  if (known.seen && distance(known.left, known.right) <= distance(left, right)) return;
  known = {true, left, right};
}

// "1a2b" for a block, "1a2b:10:20:20:20" for a comparison with two relations.
std::string shown(const Place& place) {
  const Module& module = module_of(reinterpret_cast<const void*>(place.pc));
  char text[32];
  snprintf(text, sizeof text, "%lx", static_cast<unsigned long>(place.pc - module.base - 1));
  std::string line = text;
  for (const Compared& one : place.compared) {
    if (one.seen) line += ':' + std::to_string(one.left) + ':' + std::to_string(one.right);
  }
  return line;
}

}  // namespace

}  // namespace upskill::cpu

using namespace upskill::cpu;

extern "C" {

const char* upskill_coverage() {
  static std::string text;
  text.clear();
  size_t count = 0;
  for (const Place& place : places) {
    if (place.pc != 0 && count++ < kShown) text += (text.empty() ? "" : " ") + shown(place);
  }
  return text.c_str();
}

void upskill_clear_coverage() {
  if (used != 0) {
    for (Place& place : places) place = Place();
  }
  used = 0;
}

#define UPSKILL_HERE reinterpret_cast<uintptr_t>(__builtin_return_address(0))

void __sanitizer_cov_trace_pc() { find(UPSKILL_HERE); }

void __sanitizer_cov_trace_cmp1(uint8_t a, uint8_t b) { compare(UPSKILL_HERE, a, b); }
void __sanitizer_cov_trace_cmp2(int16_t a, int16_t b) { compare(UPSKILL_HERE, a, b); }
void __sanitizer_cov_trace_cmp4(int32_t a, int32_t b) { compare(UPSKILL_HERE, a, b); }
void __sanitizer_cov_trace_cmp8(int64_t a, int64_t b) { compare(UPSKILL_HERE, a, b); }
void __sanitizer_cov_trace_const_cmp1(uint8_t constant, uint8_t value) { compare(UPSKILL_HERE, value, constant); }
void __sanitizer_cov_trace_const_cmp2(int16_t constant, int16_t value) { compare(UPSKILL_HERE, value, constant); }
void __sanitizer_cov_trace_const_cmp4(int32_t constant, int32_t value) { compare(UPSKILL_HERE, value, constant); }
void __sanitizer_cov_trace_const_cmp8(int64_t constant, int64_t value) { compare(UPSKILL_HERE, value, constant); }
void __sanitizer_cov_trace_cmpf(float, float) {}
void __sanitizer_cov_trace_cmpd(double, double) {}

// `cases` holds their number, the bits of each, and the values.
void __sanitizer_cov_trace_switch(uint64_t value, const uint64_t* cases) {
  for (size_t i = 0; i < cases[0] && i < kCases; ++i) {
    compare(UPSKILL_HERE + i, static_cast<int64_t>(value), static_cast<int64_t>(cases[2 + i]));
  }
}

}  // extern "C"
