// The span that each place in a kernel's code touched last: one place nearly always touches one span.
#pragma once

#include <cstddef>
#include <cstdint>

#include "span.h"

namespace upskill::cpu {

constexpr size_t span_slots = 512;

// Those of this host thread: of the kernel that it runs, or empty ones. No slot is a nullptr. In static thread-local
// storage, so that the fast path of every access loads it directly.
extern Span *kernel_spans[span_slots], *no_spans[span_slots];
extern constinit thread_local Span** last_spans __attribute__((tls_model("initial-exec"), visibility("hidden")));

inline Span*& last_span(uintptr_t pc) { return last_spans[pc / 4 % span_slots]; }

// Host code accesses mostly memory of its own: caches the 256-byte pieces last found to be host memory.
constexpr size_t host_slots = 1024;
[[gnu::visibility("hidden")]] extern uintptr_t host_pieces[host_slots];

// To be called whenever spans change.
void forget_last_spans();

}  // namespace upskill::cpu
