#include "span_cache.h"

namespace upskill::cpu {

Span* last_spans[span_slots];
uintptr_t host_pieces[host_slots];

namespace {

Span nowhere;

struct FillAtStart {
  FillAtStart() { forget_last_spans(); }
} fill_at_start;

}  // namespace

void forget_last_spans() {
  for (Span*& span : last_spans) span = &nowhere;
  for (uintptr_t& piece : host_pieces) piece = 0;
}

}  // namespace upskill::cpu
