#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "fiber.h"
#include "hooks.h"
#include "launch.h"
#include "report.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

namespace {

// Around every allocation, so that an overrun by little is met by our report and not by the C library's heap.
constexpr size_t guard_bytes = 512;
constexpr size_t alignment = 256;  // cudaMalloc's promise
constexpr int poison_byte = 0xff;  // a NaN in every floating type, and -1

std::map<uintptr_t, Allocation> allocations;
std::vector<Span> watches;  // sorted
size_t bytes_in_use = 0;

std::vector<Span> spans;  // sorted; rebuilt when `changed`
bool changed = true;
int prepared_module = 0;
size_t prepared_dynamic = 0;
Segment shared_area{};  // the thread-local block of the module

uintptr_t dynamic_begin() { return reinterpret_cast<uintptr_t>(upskill_cpu_dynamic_shared); }

bool starts_before(uintptr_t address, const Span& span) { return address < span.begin; }

// The last of the sorted spans that begins at or before `address`, or end().
std::vector<Span>::iterator last_before(std::vector<Span>& sorted, uintptr_t address) {
  auto after = std::upper_bound(sorted.begin(), sorted.end(), address, starts_before);
  return after == sorted.begin() ? sorted.end() : after - 1;
}

Span make_span(uintptr_t begin, size_t bytes, Space space, bool writable, std::string name) {
  Span span;
  span.begin = begin;
  span.bytes = bytes;
  span.space = space;
  span.writable = writable;
  span.name = std::move(name);
  return span;
}

bool is_watched(const Allocation& allocation) {
  auto next = std::upper_bound(watches.begin(), watches.end(), allocation.begin, starts_before);
  if (next != watches.begin() && (next - 1)->begin >= allocation.begin) return true;
  return next != watches.end() && next->begin < allocation.begin + allocation.bytes;
}

void rebuild(const Module& module, size_t dynamic_shared) {
  spans = watches;
  for (const auto& [begin, allocation] : allocations)
    if (!is_watched(allocation))
      spans.push_back(make_span(begin, allocation.bytes, Space::global, true, "memory from cudaMalloc"));
  for (const Segment& segment : module.segments)
    spans.push_back(make_span(segment.begin, segment.bytes, Space::module, segment.writable, "a global variable"));
  for (const Variable& variable : module.shared)
    spans.push_back(
        make_span(variable.begin, variable.bytes, Space::shared, true, "shared array '" + variable.name + "'"));
  for (const Variable& guard : module.guards)
    spans.push_back(make_span(guard.begin, guard.bytes, Space::module, true, guard.name));
  if (dynamic_shared != 0)
    spans.push_back(make_span(dynamic_begin(), dynamic_shared, Space::shared, true, "dynamic shared memory"));
  const StackArea stacks = reserve_stacks(0);
  spans.push_back(make_span(stacks.begin, stacks.bytes, Space::stack, true, "a thread's local memory"));
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  shared_area = {module.shared_begin, module.shared_bytes, true};
}

void poison(const Span& span) { std::memset(reinterpret_cast<void*>(span.begin), poison_byte, span.bytes); }

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
    return format("element %zu of %s, which has %zu elements of %zu bytes", (address - span.begin) / size, name,
                  span.bytes / size, size);
  return format("%zu bytes past the end of %s (%zu bytes)", address - end, name, span.bytes);
}

size_t gap(uintptr_t address, const Span& span) {
  if (address < span.begin) return span.begin - address;
  return address < span.begin + span.bytes ? 0 : address - span.begin - span.bytes;
}

}  // namespace

void* allocate(size_t bytes, AllocationKind kind) {
  if (bytes > device_bytes - bytes_in_use) return nullptr;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment + 2 * guard_bytes;
  auto* raw = static_cast<char*>(std::aligned_alloc(alignment, rounded));
  if (raw == nullptr) return nullptr;
  std::memset(raw, poison_byte, rounded);
  const auto begin = reinterpret_cast<uintptr_t>(raw + guard_bytes);
  allocations[begin] = {begin, bytes, kind};
  bytes_in_use += bytes;
  changed = true;
  forget_hits();
  return raw + guard_bytes;
}

bool release(void* pointer) {
  const auto found = allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == allocations.end()) return false;
  bytes_in_use -= found->second.bytes;
  allocations.erase(found);
  changed = true;
  forget_hits();
  std::free(static_cast<char*>(pointer) - guard_bytes);
  return true;
}

void release_all() {
  while (!allocations.empty()) release(reinterpret_cast<void*>(allocations.begin()->first));
}

const Allocation* allocation_at(uintptr_t address) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return nullptr;
  const Allocation& allocation = std::prev(after)->second;
  return address - allocation.begin < allocation.bytes ? &allocation : nullptr;
}

size_t allocated_bytes() { return bytes_in_use; }

void watch(const void* base, size_t bytes, const char* name, bool writable, bool initialised) {
  Span span =
      make_span(reinterpret_cast<uintptr_t>(base), bytes, Space::global, writable, "'" + std::string(name) + "'");
  span.initialised = initialised;
  watches.insert(std::upper_bound(watches.begin(), watches.end(), span.begin, starts_before), span);
  changed = true;
}

void unwatch_all() {
  watches.clear();
  changed = true;
}

const Span* watched_at(uintptr_t address) {
  const auto found = last_before(watches, address);
  return found != watches.end() && found->holds(address, 1) ? &*found : nullptr;
}

void prepare_memory(const Module& module, size_t dynamic_shared) {
  if (changed || module.serial != prepared_module || dynamic_shared != prepared_dynamic) {
    rebuild(module, dynamic_shared);
    changed = false;
    prepared_module = module.serial;
    prepared_dynamic = dynamic_shared;
  }
  for (Span& span : spans) span.touched = false;
  forget_hits();
}

void poison_shared_memory() {
  for (const Span& span : spans)
    if (span.touched) poison(span);
}

void save_shared_memory(SharedCopy& copy) {
  copy.bytes.clear();
  copy.ranges.clear();
  for (const Span& span : spans) {
    if (!span.touched) continue;
    const auto* begin = reinterpret_cast<const char*>(span.begin);
    copy.bytes.insert(copy.bytes.end(), begin, begin + span.bytes);
    copy.ranges.emplace_back(span.begin, span.bytes);
  }
}

void restore_shared_memory(const SharedCopy& copy) {
  const char* next = copy.bytes.data();
  for (const auto& [begin, bytes] : copy.ranges) {
    std::memcpy(reinterpret_cast<void*>(begin), next, bytes);
    next += bytes;
  }
}

size_t touched_static_shared() {
  size_t bytes = 0;
  for (const Span& span : spans)
    if (span.touched && span.begin != dynamic_begin()) bytes += span.bytes;
  return bytes;
}

Span* find_span(uintptr_t address, size_t size) {
  const auto found = last_before(spans, address);
  if (found == spans.end() || !found->holds(address, size)) return nullptr;
  // The first touch in a launch comes before anything was written, so the variable can be poisoned now.
  if (found->space == Space::shared && !found->touched) {
    found->touched = true;
    if (configuration.poison_shared) poison(*found);
  }
  return &*found;
}

bool is_guarded(uintptr_t address, size_t size) {
  if (address - dynamic_begin() <= max_dynamic_shared) return true;
  if (shared_area.bytes != 0 && address >= shared_area.begin && address + size <= shared_area.begin + shared_area.bytes)
    return true;
  auto after = allocations.upper_bound(address + guard_bytes);
  if (after == allocations.begin()) return false;
  const Allocation& allocation = std::prev(after)->second;
  return address + guard_bytes >= allocation.begin &&
         address + size <= allocation.begin + allocation.bytes + guard_bytes;
}

std::string describe_stray(uintptr_t address, size_t size) {
  constexpr size_t near = size_t{64} << 20;  // farther away, an address has nothing to do with the span
  const Span* best = nullptr;
  for (const Span& span : spans) {
    if (span.space == Space::module || span.space == Space::stack || gap(address, span) > near) continue;
    if (best == nullptr || gap(address, span) < gap(address, *best)) best = &span;
  }
  if (best != nullptr) return distance(address, size, *best);
  if (address < 65536)
    return format("address 0x%zx: a null pointer, or an index from one", static_cast<size_t>(address));
  return "the address belongs to no device memory: host memory, freed memory, or a wild pointer";
}

}  // namespace upskill::cpu
