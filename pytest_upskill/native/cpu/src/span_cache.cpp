#include "span_cache.h"

#include <sys/single_threaded.h>

#include "ordering.h"

namespace upskill::cpu {

Span* last_spans[span_slots];
Site sites[5][2][site_slots];
uintptr_t host_pieces[host_slots];

namespace {

Span nowhere;
Site* filled[sizeof sites / sizeof(Site)];
size_t filled_count = 0;

struct FillAtStart {
  FillAtStart() { forget_last_spans(); }
} fill_at_start;

}  // namespace

void fill(Site& site, const Span& span, size_t size) {
  const int shift = site_shift(size);
  const bool recorded = span.remembered || span.cells != nullptr;
  if (recorded && (span.cells == nullptr || span.cell_shift != shift)) return;
  if (span.bytes < size || (span.host_too && !__libc_single_threaded)) return;
  const size_t count = ((span.bytes - size) >> shift) + 1;
  if (site.count == 0) filled[filled_count++] = &site;
  site = {span.begin, static_cast<uint32_t>(std::min(count, size_t{UINT32_MAX})), span.born, span.cells,
          span.space == Space::shared ? &self.block_start : &self.launch_start};
}

void forget_sites() {
  while (filled_count != 0) filled[--filled_count]->count = 0;
}

void forget_last_spans() {
  forget_sites();
  for (Span*& span : last_spans) span = &nowhere;
  for (uintptr_t& piece : host_pieces) piece = 0;
}

}  // namespace upskill::cpu
