#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "fiber.h"
#include "host_writes.h"
#include "launch_state.h"
#include "ordering.h"
#include "report.h"
#include "shadow.h"
#include "span_cache.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

namespace {

// Padding around every allocation, so that a small overrun is reported here and does not corrupt the C library's heap.
constexpr size_t guard_bytes = 512;
constexpr size_t page_bytes =
    4096;  // an allocation has its own, so that it can be put out of reach; cudaMalloc promises 256
constexpr int poison_byte = 0xff;  // a NaN in every floating type, and -1
constexpr size_t kept_freed_bytes = size_t{64} << 20;

std::map<uintptr_t, Allocation> allocations;
std::deque<Allocation> freed;  // the latest last
size_t freed_bytes = 0;
int current_call = 0;
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

const char* origin_of(const Allocation& allocation) {
  return allocation.kind == AllocationKind::heap         ? "memory from malloc"
         : allocation.kind == AllocationKind::registered ? "memory of cudaHostRegister"
                                                         : "memory from cudaMalloc";
}

bool is_watched(const Allocation& allocation) {
  auto next = std::upper_bound(watches.begin(), watches.end(), allocation.begin, starts_before);
  if (next != watches.begin() && (next - 1)->begin >= allocation.begin) return true;
  return next != watches.end() && next->begin < allocation.begin + allocation.bytes;
}

bool out_of_reach = false;

size_t whole_pages(size_t bytes) { return (bytes + 2 * guard_bytes + page_bytes - 1) / page_bytes * page_bytes; }

void protect(const Allocation& allocation, int protection) {
  if (allocation.kind != AllocationKind::device) return;
  mprotect(reinterpret_cast<char*>(allocation.begin) - guard_bytes, whole_pages(allocation.bytes), protection);
}

// The variables fill whole pages of 4 KiB; where pages are larger, others share theirs, and they stay accessible.
void protect_variables(int protection) {
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (const Segment& segment : current_module().variables.device)
    if (segment.begin % page == 0 && segment.bytes % page == 0)
      mprotect(reinterpret_cast<void*>(segment.begin), segment.bytes, protection);
}

void protect_all(int protection) {
  protect_variables(protection);
  for (const auto& [begin, allocation] : allocations) protect(allocation, protection);
  for (const Allocation& allocation : freed) protect(allocation, protection);
}

void discard(const Allocation& allocation) {
  drop_cells(allocation.begin, allocation.bytes);
  std::free(reinterpret_cast<char*>(allocation.begin) - guard_bytes);
}

void remember(std::vector<Span>& all) {
  for (Span& span : all) {
    span.remembered = configuration.check_races && span.writable && span.space != Space::stack;
    if (span.space == Space::shared) span.born = ~0u;  // never: only this block's marks count
    if (span.space == Space::global && is_initialised(span.begin, span.bytes)) span.born = 0;
    if (span.remembered) restore_cells(span);
  }
}

void rebuild(const Module& module, size_t dynamic_shared) {
  spans = watches;
  for (const auto& [begin, allocation] : allocations) {
    if (is_watched(allocation)) continue;
    spans.push_back(make_span(begin, allocation.bytes, Space::global, true, origin_of(allocation)));
    spans.back().born = allocation.born;
    spans.back().host_too = allocation.kind != AllocationKind::device;
  }
  for (const Segment& segment : module.segments) {
    spans.push_back(make_span(segment.begin, segment.bytes, Space::module, segment.writable, "a global variable"));
    spans.back().host_too = true;
  }
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
  remember(spans);
  shared_area = {module.shared_begin, module.shared_bytes, true};
}

void poison_span(const Span& span) { std::memset(reinterpret_cast<void*>(span.begin), poison_byte, span.bytes); }

}  // namespace

void* allocate(size_t bytes, AllocationKind kind, uintptr_t pc) {
  if (bytes > device_bytes - bytes_in_use) return nullptr;
  const Reach reach;
  const size_t rounded = whole_pages(bytes);
  auto* raw = static_cast<char*>(std::aligned_alloc(page_bytes, rounded));
  if (raw == nullptr) return nullptr;
  std::memset(raw, poison_byte, rounded);
  // Fresh pages of managed memory are zero on a GPU, and host writes to them are not seen here.
  if (kind == AllocationKind::managed) std::memset(raw + guard_bytes, 0, bytes);
  const auto begin = reinterpret_cast<uintptr_t>(raw + guard_bytes);
  const uint32_t born = kind == AllocationKind::device ? advance_clock() : 0;
  allocations[begin] = {begin, bytes, kind, born, pc, current_call, false};
  forget_host_writes(begin, begin + bytes);
  bytes_in_use += bytes;
  changed = true;
  forget_last_spans();
  return raw + guard_bytes;
}

// Freed memory is kept for a while, so that a later use of it is reported and corrupts nothing.
bool deallocate(void* pointer, uintptr_t pc) {
  const auto found = allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == allocations.end() || found->second.kind == AllocationKind::registered) return false;
  const Reach reach;
  freed.push_back(found->second);
  freed.back().pc = pc;
  bytes_in_use -= found->second.bytes;
  freed_bytes += found->second.bytes;
  allocations.erase(found);
  for (; freed_bytes > kept_freed_bytes; freed.pop_front()) {
    freed_bytes -= freed.front().bytes;
    discard(freed.front());
  }
  changed = true;
  forget_last_spans();
  return true;
}

void* allocate_in_kernel(size_t bytes, uintptr_t pc) {
  const bool rebuild_later = changed;
  void* pointer = allocate(bytes, AllocationKind::heap, pc);
  changed = rebuild_later;
  if (pointer == nullptr) return nullptr;
  const Allocation& allocation = allocations[reinterpret_cast<uintptr_t>(pointer)];
  Span span = make_span(allocation.begin, bytes, Space::global, true, origin_of(allocation));
  span.remembered = configuration.check_races;
  spans.insert(std::upper_bound(spans.begin(), spans.end(), span.begin, starts_before), span);
  return pointer;
}

bool deallocate_in_kernel(void* pointer, uintptr_t pc) {
  const Allocation* allocation = allocation_at(reinterpret_cast<uintptr_t>(pointer));
  if (allocation == nullptr || allocation->kind != AllocationKind::heap || !deallocate(pointer, pc)) return false;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  spans.erase(std::remove_if(spans.begin(), spans.end(), [=](const Span& span) { return span.begin == address; }),
              spans.end());
  return true;
}

void release_all() {
  while (!allocations.empty()) {
    auto* first = reinterpret_cast<void*>(allocations.begin()->first);
    if (!deallocate(first, 0)) unregister_host(first);
  }
}

bool register_host(void* pointer, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(pointer);
  if (allocation_at(begin) != nullptr) return false;
  allocations[begin] = {begin, bytes, AllocationKind::registered, 0, 0, current_call, false};
  changed = true;
  forget_last_spans();
  return true;
}

bool unregister_host(void* pointer) {
  const auto found = allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == allocations.end() || found->second.kind != AllocationKind::registered) return false;
  drop_cells(found->second.begin, found->second.bytes);
  allocations.erase(found);
  changed = true;
  forget_last_spans();
  return true;
}

const Allocation* allocation_at(uintptr_t address) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return nullptr;
  const Allocation& allocation = std::prev(after)->second;
  return address - allocation.begin < allocation.bytes ? &allocation : nullptr;
}

size_t allocated_bytes() { return bytes_in_use; }

void put_out_of_reach(bool yes) {
  if (yes == out_of_reach) return;
  out_of_reach = yes;
  protect_all(yes ? PROT_NONE : PROT_READ | PROT_WRITE);
}

bool is_out_of_reach(uintptr_t address) {
  const Allocation* allocation = allocation_at(address);
  return out_of_reach &&
         (allocation != nullptr ? allocation->kind == AllocationKind::device : is_device_variable(address));
}

Reach::Reach() : was_out(out_of_reach) { put_out_of_reach(false); }

Reach::~Reach() {
  if (was_out) put_out_of_reach(true);
}

void watch(const void* base, size_t bytes, const char* name, bool writable, bool initialised) {
  Span span =
      make_span(reinterpret_cast<uintptr_t>(base), bytes, Space::global, writable, "'" + std::string(name) + "'");
  if (initialised) {
    mark_initialised(span.begin, bytes);
  } else {
    span.born = advance_clock();
    forget_host_writes(span.begin, span.begin + bytes);
  }
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

void mark_initialised(uintptr_t address, size_t bytes) {
  if (bytes == 0) return;
  note_host_write(address, bytes);
  changed = true;
}

std::string describe_freed(uintptr_t address) {
  for (auto memory = freed.rbegin(); memory != freed.rend(); ++memory) {
    if (address - memory->begin >= memory->bytes) continue;
    const std::string place = name_place(memory->pc);
    return format("byte %zu of %s (%zu bytes) that was freed%s%s", address - memory->begin, origin_of(*memory),
                  memory->bytes, place.empty() ? "" : " at ", place.c_str());
  }
  return "";
}

void begin_call() { ++current_call; }

void note_written(uintptr_t address, bool yes) {
  if (const Allocation* found = allocation_at(address)) allocations[found->begin].written = yes;
  if (!yes) changed = true;  // spans remember it
}

bool is_written(uintptr_t address) {
  const Allocation* found = allocation_at(address);
  return found != nullptr && found->written;
}

void note_filled(uintptr_t target, size_t bytes, uintptr_t source) {
  mark_initialised(target, bytes);
  const Allocation* found = allocation_at(target);
  if (is_written(source))
    note_written(target, true);
  else if (found != nullptr && found->written && bytes >= found->bytes)
    note_written(target, false);
}

// Detects leaks across calls. Scratch kept for later calls is allocated once; an allocation of the same size at the
// same line that repeats while that of an earlier call is still alive is leaked.
void report_leaks() {
  std::map<std::pair<uintptr_t, size_t>, std::pair<int, int>> counts;  // earlier, now
  for (const auto& [begin, allocation] : allocations) {
    if (offset_in_module(allocation.pc) == 0) continue;
    auto& [earlier, now] = counts[{allocation.pc, allocation.bytes}];
    ++(allocation.call == current_call ? now : earlier);
  }
  for (const auto& [what, count] : counts)
    if (count.first > 0 && count.second > 0)
      report(Assertion::memory, "leak", what.first,
             format("each call allocates %zu bytes here and does not free them; %d such allocations are left",
                    what.second, count.first + count.second));
}

KeptOnDevice kept_allocations() {
  KeptOnDevice kept{};
  int last = 0;
  for (const auto& [begin, allocation] : allocations) {
    const uintptr_t place = offset_in_module(allocation.pc);
    if (place == 0) continue;
    ++kept.allocations;
    kept.bytes += allocation.bytes;
    if (allocation.call >= last) last = allocation.call, kept.pc = place;
  }
  return kept;
}

void forget_dates() {
  drop_all_cells();
  for (auto& [begin, allocation] : allocations) allocation.born = 0;
  for (Span& span : watches) span.born = 0;
  for (Span& span : spans) span.cells = nullptr, span.born = span.space == Space::shared ? ~0u : 0;
}

void forget_spans() { changed = true; }

const std::vector<Span>& known_spans() { return spans; }

void prepare_memory(const Module& module, size_t dynamic_shared) {
  const bool moved = module.shared_begin != shared_area.begin && module.shared_bytes != 0;
  if (changed || moved || module.serial != prepared_module || dynamic_shared != prepared_dynamic) {
    rebuild(module, dynamic_shared);
    changed = false;
    prepared_module = module.serial;
    prepared_dynamic = dynamic_shared;
  }
  for (Span& span : spans) span.touched = false;
  forget_last_spans();
}

void poison_shared_memory() {
  for (const Span& span : spans)
    if (span.touched) poison_span(span);
}

void save_shared_memory(SharedCopy& copy) {
  copy = {};
  for (const Span& span : spans) {
    if (!span.touched) continue;
    const auto* begin = reinterpret_cast<const char*>(span.begin);
    copy.bytes.insert(copy.bytes.end(), begin, begin + span.bytes);
    copy.ranges.emplace_back(span.begin, span.bytes);
    for (size_t i = 0; i < span.bytes; ++i)
      copy.written.push_back(span.cells == nullptr || span.cells[i >> span.cell_shift].write.clock >= self.block_start);
  }
}

void restore_shared_memory(const SharedCopy& copy) {
  size_t next = 0;
  for (const auto& [begin, bytes] : copy.ranges) {
    std::memcpy(reinterpret_cast<void*>(begin), copy.bytes.data() + next, bytes);
    Span* span = find_span(begin, bytes);
    // The block's writes get a new stamp, since its old ones belong to another block by now.
    for (size_t i = 0; span != nullptr && span->cells != nullptr && i < bytes; i += size_t{1} << span->cell_shift) {
      Cell cell{};
      if (copy.written[next + i]) cell.write = {self.clock, 0};
      span->cells[i >> span->cell_shift] = cell;
    }
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
    if (configuration.poison_shared) poison_span(*found);
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

}  // namespace upskill::cpu
