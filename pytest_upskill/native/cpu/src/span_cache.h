// The span that each place in a kernel's code touched last: one place nearly always touches one span.
#pragma once

#include <cstddef>
#include <cstdint>

#include "span.h"

namespace upskill::cpu {

constexpr size_t span_slots = 512;

// Never nullptr. Hidden visibility, so that the fast path of every access loads it directly.
[[gnu::visibility("hidden")]] extern Span* last_spans[span_slots];

inline Span*& last_span(uintptr_t pc) { return last_spans[pc / 4 % span_slots]; }

// Host code accesses mostly memory of its own: caches the 256-byte pieces last found to be host memory.
constexpr size_t host_slots = 1024;
[[gnu::visibility("hidden")]] extern uintptr_t host_pieces[host_slots];

// To be called whenever spans change.
void forget_last_spans();

}  // namespace upskill::cpu
