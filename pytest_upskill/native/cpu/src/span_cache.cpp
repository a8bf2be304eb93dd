#include "span_cache.h"

namespace upskill::cpu {

Span *kernel_spans[span_slots], *no_spans[span_slots];
constinit thread_local Span** last_spans = no_spans;
uintptr_t host_pieces[host_slots];

namespace {

Span nowhere;

struct FillAtStart {
  FillAtStart() {
    for (Span*& span : no_spans) span = &nowhere;
    forget_last_spans();
  }
} fill_at_start;

}  // namespace

void forget_last_spans() {
  for (Span*& span : kernel_spans) span = &nowhere;
  for (uintptr_t& piece : host_pieces) piece = 0;
}

}  // namespace upskill::cpu
