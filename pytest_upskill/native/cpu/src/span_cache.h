// The span that each place in a kernel's code touched last: one place nearly always touches one span.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "span.h"

namespace upskill::cpu {

constexpr size_t span_slots = 512;

// Never nullptr. Hidden visibility, so that the fast path of every access loads it directly.
[[gnu::visibility("hidden")]] extern Span* last_spans[span_slots];

inline Span*& last_span(uintptr_t pc) { return last_spans[pc / 4 % span_slots]; }

// What the fast path of a place needs of that span. Accesses of one size and direction have slots of their own, so that
// the test for the span's bounds has constants, and tests the direction too.
struct Site {
  uintptr_t begin = 0;
  uint32_t count = 0;               // of cells at which an access may begin; 0 in an empty slot
  uint32_t born = 0;                // as the span's
  Cell* cells = nullptr;            // or nullptr if the span has none
  const uint32_t* since = nullptr;  // marks older than this are ignored
};

constexpr size_t site_slots = 256;

constexpr int log2_of(size_t size) { return size == 1 ? 0 : 1 + log2_of(size / 2); }

// The cells that such accesses have on the fast path: of 4 bytes, or of their own size.
constexpr int site_shift(size_t size) { return std::min(log2_of(size), 2); }

[[gnu::visibility("hidden")]] extern Site sites[5][2][site_slots];

template <size_t size, bool write>
inline Site& site_of(uintptr_t pc) {
  char* const slots = reinterpret_cast<char*>(sites[log2_of(size)][write]);
  static_assert(sizeof(Site) % 4 == 0);  // so pc / 4 % site_slots takes three instructions
  return *reinterpret_cast<Site*>(slots + (pc & (site_slots - 1) * 4) * (sizeof(Site) / 4));
}

// The fast path does not ask which host thread runs, so memory that the host accesses too has no slot while there are
// several.
void fill(Site& site, const Span& span, size_t size);

// To be called when the cells of a span change.
void forget_sites();

// Host code accesses mostly memory of its own: caches the 256-byte pieces last found to be host memory.
constexpr size_t host_slots = 1024;
[[gnu::visibility("hidden")]] extern uintptr_t host_pieces[host_slots];

// To be called whenever spans change. Forgets all of the above.
void forget_last_spans();

}  // namespace upskill::cpu
