#include "wild_access.h"

#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "report.h"

namespace upskill::cpu {

namespace {

std::string distance(uintptr_t address, size_t size, const Span& span) {
  const uintptr_t end = span.begin + span.bytes;
  const char* name = span.name.c_str();
  if (address < span.begin && address + size > span.begin)
    return format("it begins %zu bytes before the start of %s (%zu bytes)", span.begin - address, name, span.bytes);
  if (address < span.begin)
    return format("%zu bytes before the start of %s (%zu bytes)", span.begin - address, name, span.bytes);
  if (address < end)
    return format("its last %zu bytes lie past the end of %s (%zu bytes)", address + size - end, name, span.bytes);
  const bool element = (address - span.begin) % size == 0 && span.bytes % size == 0;
  if (element)
    return format("element %zu of %s, which has %zu element%s of %zu byte%s", (address - span.begin) / size, name,
                  span.bytes / size, span.bytes / size == 1 ? "" : "s", size, size == 1 ? "" : "s");
  return format("%zu bytes past the end of %s (%zu bytes)", address - end, name, span.bytes);
}

size_t gap(uintptr_t address, const Span& span) {
  if (address < span.begin) return span.begin - address;
  return address < span.begin + span.bytes ? 0 : address - span.begin - span.bytes;
}

const Span* nearest_span(uintptr_t address, size_t near) {
  const Span* best = nullptr;
  for (const Span& span : known_spans()) {
    if (span.space == Space::module || span.space == Space::stack || gap(address, span) > near) continue;
    if (best == nullptr || gap(address, span) < gap(address, *best)) best = &span;
  }
  return best;
}

}  // namespace

bool is_beside_shared(uintptr_t address) {
  constexpr size_t near = 4096;
  const Span* best = nearest_span(address, near);
  return best != nullptr && best->space == Space::shared;
}

bool is_host_memory(uintptr_t address) {
  constexpr size_t near = size_t{64} << 10;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  unsigned char resident;
  return address >= near && nearest_span(address, near) == nullptr &&
         mincore(reinterpret_cast<void*>(address / page * page), 1, &resident) == 0;
}

std::string describe_wild_access(uintptr_t address, size_t size) {
  constexpr size_t near = size_t{64} << 20;  // farther away, an address has nothing to do with the span
  const Span* best = nearest_span(address, near);
  if (best != nullptr) return distance(address, size, *best);
  if (address < 65536)
    return format("address 0x%zx: a null pointer, or an index from one", static_cast<size_t>(address));
  return "the address belongs to no device memory";
}

}  // namespace upskill::cpu
