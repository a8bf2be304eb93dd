#include "shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "block_order.h"
#include "host_writes.h"
#include "launch_state.h"
#include "module.h"
#include "report.h"
#include "span_cache.h"
#include "upskill_cpu/builtins.h"

namespace upskill::cpu {

bool store_pending = false;

namespace {

constexpr size_t max_cell_bytes = size_t{1} << 30;  // of all cells; accesses beyond this limit are not recorded
constexpr size_t vector_bytes = 16;                 // the largest access of one instruction
constexpr int full_shift = 2;

// The cells of a span, kept while the list of spans is rebuilt.
struct Store {
  Cell* cells;
  size_t span_bytes;
  int shift;
};
std::map<uintptr_t, Store> stores;  // by begin
size_t cell_bytes = 0;

size_t bytes_of(const Store& store) { return ((store.span_bytes >> store.shift) + 1) * sizeof(Cell); }

bool make_cells(Store& store) {
  const size_t bytes = bytes_of(store);
  if (bytes > max_cell_bytes - cell_bytes) return false;
  void* area = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return false;
  store.cells = static_cast<Cell*>(area);
  cell_bytes += bytes;
  return true;
}

void free_cells(const Store& store) {
  munmap(store.cells, bytes_of(store));
  cell_bytes -= bytes_of(store);
}

void use(Span& span, const Store& store) {
  span.cells = store.cells;
  span.cell_shift = static_cast<uint8_t>(store.shift);
  span.cell_mask = static_cast<uint8_t>((1 << store.shift) - 1);
}

int shift_for(uintptr_t offset, size_t size) { return std::min(full_shift, __builtin_ctzll(offset | size)); }

// Splits cells, so that accesses of fewer bytes are distinguished.
void divide_cells(Span& span, int shift) {
  forget_sites();
  Store& store = stores[span.begin];
  Store finer{nullptr, store.span_bytes, shift};
  if (!make_cells(finer)) {
    free_cells(store);
    stores.erase(span.begin);
    span.cells = nullptr;
    span.remembered = false;
    return;
  }
  const size_t parts = size_t{1} << (store.shift - shift), count = store.span_bytes >> store.shift;
  for (size_t i = 0; i < count; ++i)
    if (store.cells[i].write.clock != 0 || store.cells[i].read.clock != 0)
      std::fill_n(finer.cells + i * parts, parts, store.cells[i]);
  free_cells(store);
  store = finer;
  use(span, store);
}

// --------------------------------------------------------------------------------------------- races

// One access of an unordered pair.
struct Party {
  Access access;
  uint32_t turn, thread;
  uintptr_t place;
};

struct Race {
  Party self, other;
  const Span* span;
  uintptr_t address;
  size_t size;
};

// Addresses read without order, except by or before an atomic operation. Such reads start a loop around atomicCAS, or
// skip an unnecessary atomic operation: where the thread continues with an atomic operation on the address the read is
// a guard, otherwise it races.
std::map<uint32_t, Race> doubtful_reads;
std::set<uint32_t> guards;

// Volatile accesses by lanes of one warp, by address: the first such pair. A polled flag is one address; an old
// reduction that relies on lanes running in lockstep shows more.
std::map<uint32_t, Race> lanes_in_step;

// Reads of uninitialised memory, by address. Where the write came later, and unordered, it is reported as a race only.
std::map<uint32_t, std::string> unwritten_reads;
std::set<uint32_t> racing_places;

// A racing store that is harmful only if it changes the value.
struct PendingStore {
  Race race;
  char before[vector_bytes];
  Cell *begin, *end;
  Cell marks[vector_bytes];  // previous marks
} pending;

const char* verb_of(Access access) {
  switch (access) {
    case Access::read:
    case Access::volatile_read:
      return "read";
    case Access::atomic:
    case Access::atomic_store:
      return "atomic operation";
    case Access::barrier_use:
      return "use of a barrier";
    default:
      return "write";
  }
}

std::string with_article(const char* noun) { return format("%s %s", *noun == 'a' ? "an" : "a", noun); }

std::string thread_name(uint32_t thread) {
  const unsigned x = blockDim.x, y = blockDim.y;
  return format("thread (%u,%u,%u)", thread % x, thread / x % y, thread / (x * y));
}

std::string block_name(uint32_t turn) {
  const uint3 block = block_at_turn(turn);
  return format("block (%u,%u,%u)", block.x, block.y, block.z);
}

const char* advice(const Race& race) {
  const Party &a = race.self, &b = race.other;
  if (a.turn != b.turn)
    return "blocks run at the same time and in any order: use atomic operations, or __threadfence() and then one, or "
           "two "
           "launches";
  if (a.access == Access::atomic || b.access == Access::atomic)
    return "an atomic operation is not a barrier: put __syncthreads() between them";
  if (a.thread / warp_size == b.thread / warp_size)
    return "the lanes of a warp do not run in step: put __syncwarp() between them";
  return "put __syncthreads() between them";
}

std::string describe(const Race& race) {
  const Party &a = race.self, &b = race.other;
  const std::string other_block = a.turn == b.turn ? "" : " of " + block_name(b.turn);
  const std::string place = name_place(b.place);
  const uintptr_t offset = race.address - race.span->begin;
  const std::string element = offset % race.size == 0 ? format("element %zu", offset / race.size)
                                                      : format("byte %zu", static_cast<size_t>(offset));
  return format("race on %s of %s: %s and the %s by %s%s%s%s have no order, in kernel %s, %s, %s; %s", element.c_str(),
                race.span->name.c_str(), with_article(verb_of(a.access)).c_str(), verb_of(b.access),
                thread_name(b.thread).c_str(), other_block.c_str(), place.empty() ? "" : " at ", place.c_str(),
                launch.kernel, block_name(a.turn).c_str(), thread_name(a.thread).c_str(), advice(race));
}

void report_race(const Race& race) {
  racing_places.insert({static_cast<uint32_t>(race.self.place), static_cast<uint32_t>(race.other.place)});
  if (is_new_report("race", race.self.place) && is_new_pair(race.self.place, race.other.place))
    report(Assertion::deterministic, "race", race.self.place, describe(race));
}

Access access_of(uint16_t thread, bool write) {
  if (thread & atomic_flag) return Access::atomic;
  if (thread & volatile_flag) return write ? Access::volatile_write : Access::volatile_read;
  return write ? Access::write : Access::read;
}

// --------------------------------------------------------------------------------------------- one access

// An access being recorded, and its findings.
class Marking {
 public:
  Marking(Span& span, uintptr_t address, size_t size, Access access, uintptr_t pc)
      : span_(span), address_(address), size_(size), access_(access), pc_(pc), since_(oldest_of_concern(span)) {}

  void run() {
    const uintptr_t offset = address_ - span_.begin;
    Cell* const begin = span_.cells + (offset >> span_.cell_shift);
    Cell* const end = begin + (size_ >> span_.cell_shift);
    if (access_ == Access::write && self.fresh_fence && span_.space != Space::shared) access_ = Access::volatile_write;
    if (may_be_pending()) std::copy(begin, end, pending.marks);
    size_t unwritten = 0;
    for (Cell* cell = begin; cell != end; ++cell) {
      if (reads()) unwritten += is_unwritten(*cell);
      check(*cell);
      note(*cell);
    }
    if (unwritten != 0 && (size_ <= vector_bytes || begin + unwritten == end)) note_unwritten();
    if (conflict_) store_later(begin, end);
    if (is_write(access_)) self.fresh_fence = false;
    const bool shared = span_.space == Space::shared;
    if (access_ == Access::volatile_read || access_ == Access::atomic) acquire(address_, shared);
    if (access_ >= Access::volatile_write && access_ <= Access::atomic_store) release(address_, shared);
  }

 private:
  bool reads() const {
    return access_ != Access::write && access_ != Access::volatile_write && access_ != Access::atomic_store;
  }
  bool writes() const { return is_write(access_); }

  bool may_be_pending() const { return writes() && access_ < Access::atomic && size_ <= vector_bytes; }

  bool is_unwritten(Cell& cell) {
    if (cell.write.clock >= since_ || (span_.space != Space::shared && cell.write.clock >= span_.born)) return false;
    if (span_.space == Space::shared || !is_initialised(address_, size_)) return true;
    cell.write.clock = self.launch_start - 1;  // the next read need not check again
    return false;
  }

  void check(Cell& cell) {
    if (access_ == Access::atomic) learn_guard(cell);
    check_against(cell.write, cell.write_thread, true);
    if (!writes()) return;
    check_against(cell.read, cell.read_thread, false);
    check_against(cell.other, cell.other_thread, false);
  }

  void check_against(const Mark& mark, uint16_t thread, bool write) {
    if (mark.clock < since_ || (access_ > Access::write && is_harmless(mark, thread, access_of(thread, write)))) return;
    if (is_ordered(mark.clock, thread & thread_bits)) return;
    const Party me{access_, turn_of(self.clock), self.thread, pc_};
    const Party other{access_of(thread, write), turn_of(mark.clock), static_cast<uint32_t>(thread & thread_bits),
                      restore_address(mark.place)};
    const Race race{me, other, &span_, address_, size_};
    if (write && (thread & agreed_flag) != 0 && access_ == Access::read) return;
    judge(race, mark.place);
  }

  // Atomic operations never race among themselves, nor do volatile accesses but those of one warp's lanes.
  bool is_harmless(const Mark& mark, uint16_t thread, Access other) const {
    if (other <= Access::write) return false;
    const bool one_warp =
        mark.clock >= self.block_start && (thread & thread_bits) / warp_size == self.thread / warp_size;
    return !one_warp || span_.space != Space::shared || access_ >= Access::atomic || other >= Access::atomic;
  }

  void judge(const Race& race, uint32_t other_place) {
    const bool mine_strong = access_ > Access::write, theirs_strong = race.other.access > Access::write;
    if (mine_strong && theirs_strong) return judge_in_step(race);
    if (access_ == Access::read && theirs_strong) {
      doubtful_reads.try_emplace(static_cast<uint32_t>(pc_), race);
    } else if (race.other.access == Access::read && mine_strong) {
      doubtful_reads.try_emplace(other_place, Race{race.other, race.self, race.span, race.address, race.size});
    } else if (may_be_pending()) {
      if (!conflict_) pending.race = race;
      conflict_ = true;
    } else {
      report_race(race);
    }
  }

  void judge_in_step(const Race& race) const {
    const auto [first, added] = lanes_in_step.try_emplace(static_cast<uint32_t>(pc_), race);
    if (!added && first->second.address != address_) report_race(race);
  }

  static void learn_guard(const Cell& cell) {
    if (cell.read.clock >= self.block_start && (cell.read_thread & thread_bits) == self.thread)
      guards.insert(cell.read.place);
  }

  void note(Cell& cell) const {
    const uint16_t flags = access_ >= Access::atomic && writes() ? atomic_flag
                           : access_ > Access::write             ? volatile_flag
                                                                 : static_cast<uint16_t>(0);
    const auto thread = static_cast<uint16_t>(self.thread | flags);
    if (writes())
      note_write(cell, thread, pc_);
    else
      note_read(cell, thread, pc_);
  }

  void note_unwritten() const {
    if (!is_new_report("uninitialised", pc_) || unwritten_reads.count(static_cast<uint32_t>(pc_)) != 0) return;
    const uintptr_t offset = address_ - span_.begin;
    unwritten_reads[static_cast<uint32_t>(pc_)] =
        format("%s of %zu bytes of %s, at byte %zu, which nothing has written%s,%s", verb_of(access_), size_,
               span_.name.c_str(), static_cast<size_t>(offset), span_.space == Space::shared ? " in this block" : "",
               where().c_str());
  }

  void store_later(Cell* begin, Cell* end) {
    std::memcpy(pending.before, reinterpret_cast<const void*>(address_), size_);
    pending.begin = begin;
    pending.end = end;
    store_pending = true;
    self.clocks_before_barrier = 0;
  }

  Span& span_;
  const uintptr_t address_;
  const size_t size_;
  Access access_;
  const uintptr_t pc_;
  const uint32_t since_;
  bool conflict_ = false;
};

}  // namespace

void settle_store() {
  store_pending = false;
  self.clocks_before_barrier = self.floor - self.block_start;
  const Race& race = pending.race;
  if (std::memcmp(pending.before, reinterpret_cast<const void*>(race.address), race.size) != 0)
    return report_race(race);
  // The store is undone: what the thread stores here next is checked against the same marks.
  for (Cell *cell = pending.begin, *before = pending.marks; cell != pending.end; ++cell, ++before) {
    if (is_write(race.other.access)) {
      *cell = *before;
      cell->write_thread |= agreed_flag;
    }
    cell->read = before->read;
    cell->other = before->other;
  }
}

void attach_cells(Span& span, uintptr_t address, size_t size) {
  Store store{nullptr, span.bytes, shift_for(address - span.begin, size)};
  if (make_cells(store)) {
    stores[span.begin] = store;
    use(span, store);
  } else {
    span.remembered = false;
  }
}

void restore_cells(Span& span) {
  const auto found = stores.find(span.begin);
  if (found == stores.end()) return;
  if (found->second.span_bytes >= span.bytes) return use(span, found->second);
  free_cells(found->second);
  stores.erase(found);
}

void drop_cells(uintptr_t begin, size_t bytes) {
  auto first = stores.lower_bound(begin), last = first;
  for (; last != stores.end() && last->first < begin + bytes; ++last) free_cells(last->second);
  stores.erase(first, last);
}

void drop_all_cells() {
  for (const auto& [begin, store] : stores) free_cells(store);
  stores.clear();
}

void end_marks() {
  if (store_pending) settle_store();
  for (const auto& [place, race] : doubtful_reads)
    if (guards.count(place) == 0) report_race(race);
  for (const auto& [place, message] : unwritten_reads)
    if (racing_places.count(place) == 0) report(Assertion::memory, "uninitialised", restore_address(place), message);
  unwritten_reads.clear();
  racing_places.clear();
  doubtful_reads.clear();
  lanes_in_step.clear();
  guards.clear();
}

void mark_slowly(Span& span, uintptr_t address, size_t size, Access access, uintptr_t pc) {
  const uintptr_t offset = address - span.begin;
  if (((offset | size) & span.cell_mask) != 0) divide_cells(span, shift_for(offset, size));
  if (span.cells != nullptr) Marking(span, address, size, access, pc).run();
}

}  // namespace upskill::cpu
