// The state of each element of memory: its last writer and its readers since. Finds races and reads of uninitialised
// memory. Takes the order of accesses from ordering.h, and spans from span.h.
//
// A span's memory is divided into cells of 4 bytes, or fewer after a smaller access. Nearly every access takes the
// functions below, so they decide the common cases inline and leave the rest to shadow.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ordering.h"
#include "span.h"

namespace upskill::cpu {

// The last one is an arrival at a split barrier, or waiting there: like a volatile read, but its order is the
// barrier's.
enum class Access : uint8_t { read, write, volatile_read, volatile_write, atomic, atomic_store, barrier_use };

inline bool is_write(Access access) {
  return access == Access::write || (access >= Access::volatile_write && access <= Access::atomic_store);
}

// Stamps are clocks of ordering.h, 0 for never. Code addresses are return addresses, cut to 32 bits.
struct Mark {
  uint32_t clock, place;
};

struct Cell {
  Mark write;
  Mark read;                                         // the last read since the write
  Mark other;                                        // one by another thread before it
  uint16_t write_thread, read_thread, other_thread;  // with flags
  uint16_t unused;
};
static_assert(sizeof(Cell) == 32);

// Flags stored with the thread's number. Marks with a flag never take the fast path.
constexpr uint16_t thread_bits = 0x3ff;
constexpr uint16_t atomic_flag = 0x8000;
constexpr uint16_t volatile_flag = 0x4000;
constexpr uint16_t agreed_flag = 0x2000;  // several threads have stored the same value

// Allocates the span's cells if its accesses are to be recorded. `size` is that of the first access.
void attach_cells(Span& span, uintptr_t address, size_t size);
// Discards the marks of freed memory, so that they do not apply to a later allocation there.
void drop_cells(uintptr_t begin, size_t bytes);

// The cells that a span had before the list of spans was rebuilt.
void restore_cells(Span& span);
void drop_all_cells();

// Called when a launch ends; reports findings that depend on the whole launch.
void end_marks();

// A store that races with other accesses is harmless if it stores the present value; this is known after the store.
[[gnu::visibility("hidden")]] extern bool store_pending;
void settle_store();

// The slow path, for everything that is not decided inline.
void mark_slowly(Span& span, uintptr_t address, size_t size, Access access, uintptr_t pc);

// Marks older than this are ignored: shared memory starts afresh with each block.
inline uint32_t oldest_of_concern(const Span& span) {
  return span.space == Space::shared ? self.block_start : self.launch_start;
}

// Of this block, before its last barrier. Never while a store is pending.
inline bool is_before_barrier(uint32_t clock) { return clock - self.block_start < self.clocks_before_barrier; }

inline bool is_own(uint32_t clock, uint16_t thread) { return thread == self.thread && clock >= self.block_start; }

inline void note_read(Cell& cell, uint16_t thread, uintptr_t pc) {
  if (cell.read_thread != thread || cell.read.clock < self.block_start) {
    cell.other = cell.read;
    cell.other_thread = cell.read_thread;
  }
  cell.read = {self.clock, static_cast<uint32_t>(pc)};
  cell.read_thread = thread;
}

inline void note_write(Cell& cell, uint16_t thread, uintptr_t pc) {
  cell.write = {self.clock, static_cast<uint32_t>(pc)};
  cell.write_thread = thread;
  cell.read.clock = cell.other.clock = 0;
}

// Each of the next functions records an access, unless it may be a finding: then it returns false.

// A read of what was written before a barrier, or a second read.
inline bool note_usual_read(Cell& cell, uintptr_t pc) {
  const auto thread = static_cast<uint16_t>(self.thread);
  if (cell.read_thread == thread && cell.read.clock == self.clock) return true;
  if (!is_before_barrier(cell.write.clock)) return false;
  note_read(cell, thread, pc);
  return true;
}

// `born` is the span's. No store is pending.
inline bool note_fine_read(Cell& cell, uint32_t born, uintptr_t pc) {
  if (note_usual_read(cell, pc)) return true;
  const uint32_t clock = cell.write.clock;
  if (!is_own(clock, cell.write_thread) && (clock >= self.launch_start || clock < born)) return false;
  note_read(cell, static_cast<uint16_t>(self.thread), pc);
  return true;
}

// `since`: see oldest_of_concern. No store is pending, and there was no fence since the last one.
inline bool note_fine_write(Cell& cell, uint32_t since, uintptr_t pc) {
  const auto fine = [since](uint32_t clock) { return clock < since || is_before_barrier(clock); };
  if (!fine(cell.write.clock) && !is_own(cell.write.clock, cell.write_thread)) return false;
  if (!fine(cell.other.clock)) return false;
  if (!fine(cell.read.clock) && !is_own(cell.read.clock, cell.read_thread)) return false;
  note_write(cell, static_cast<uint16_t>(self.thread), pc);
  return true;
}

// The access lies within the span, and the span has cells.
inline void mark(Span& span, uintptr_t address, size_t size, Access access, uintptr_t pc) {
  if (store_pending) settle_store();
  const uintptr_t offset = address - span.begin;
  if (((offset | size) & span.cell_mask) != 0 || access > Access::write)
    return mark_slowly(span, address, size, access, pc);
  Cell* cell = span.cells + (offset >> span.cell_shift);
  const Cell* end = cell + (size >> span.cell_shift);
  const uint32_t since = oldest_of_concern(span);
  if (access == Access::write && self.fresh_fence) return mark_slowly(span, address, size, access, pc);
  for (; cell != end; ++cell)
    if (access == Access::read ? !note_fine_read(*cell, span.born, pc) : !note_fine_write(*cell, since, pc))
      return mark_slowly(span, address, size, access, pc);
}

}  // namespace upskill::cpu
