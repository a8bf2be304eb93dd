// Which memory exists, and who may touch it: allocations, watched tensors, shared memory, stacks, module data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "module.h"

namespace upskill::cpu {

enum class Space : uint8_t { nowhere, global, shared, stack, module };

struct Cell;

// A range that threads may touch. What is remembered of its elements is in its cells, see shadow.h.
struct Span {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Space space = Space::nowhere;
  bool writable = false;
  bool touched = false;     // shared memory: by this launch, so that it must be poisoned for each block
  bool remembered = false;  // it is to get cells at its first access
  uint8_t cell_shift = 0, cell_mask = 0;
  uint32_t born = 0;  // what was written before this time, by clock, does not count as written
  Cell* cells = nullptr;
  std::string name;

  bool holds(uintptr_t address, size_t size) const {
    const uintptr_t offset = address - begin;
    return offset < bytes && size <= bytes - offset;
  }
};

enum class AllocationKind : uint8_t { device, managed, host, heap };

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  AllocationKind kind = AllocationKind::device;
  uint32_t born = 0;  // 0: the contents may be read before a write
  uintptr_t pc = 0;   // where it was asked for
  int call = 0;       // in which call of the driver
};

// Allocations, for the runtime API. allocate returns nullptr where there is no memory; deallocate whether it was known.
void* allocate(size_t bytes, AllocationKind kind, uintptr_t pc);
bool deallocate(void* pointer, uintptr_t pc);
void release_all();

// malloc and free while a kernel runs: its accesses find the memory at once. The contents count as written.
void* allocate_in_kernel(size_t bytes, uintptr_t pc);
bool deallocate_in_kernel(void* pointer, uintptr_t pc);

const Allocation* allocation_at(uintptr_t address);
size_t allocated_bytes();
// Device memory, out of the host code's reach or within it. Whatever of ours touches it holds a Reach meanwhile; one
// that is kept leaves it within reach until the next launcher.
void put_out_of_reach(bool yes);
class Reach {
 public:
  Reach();
  ~Reach();
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;

 private:
  bool was_out;
};
constexpr size_t device_bytes = size_t{16} << 30;

void watch(const void* base, size_t bytes, const char* name, bool writable, bool initialised);
void unwatch_all();
const Span* watched_at(uintptr_t address);

// Host code has written this part of device memory.
void mark_initialised(uintptr_t address, size_t bytes);
bool is_initialised(uintptr_t address, size_t bytes);

// Memory that was given back: a description of it, or an empty text; its bytes stay unused for a while.
std::string describe_freed(uintptr_t address);

// Called when a call of the driver begins, and when its reports are read.
void begin_call();
void report_leaks();

// From the shadow: all times that were noted are older than any to come.
void forget_dates();

// To be called when the configuration has changed.
void forget_spans();

// Those of the latest launch, sorted.
const std::vector<Span>& known_spans();

// Called for each launch, and for each block.
void prepare_memory(const Module& module, size_t dynamic_shared);
void poison_shared_memory();

// The contents of all shared memory that this launch has touched, for blocks that take turns.
struct SharedCopy {
  std::vector<char> bytes;
  std::vector<char> written;  // for each byte, whether the block has written it
  std::vector<std::pair<uintptr_t, size_t>> ranges;
};
void save_shared_memory(SharedCopy& copy);
void restore_shared_memory(const SharedCopy& copy);

// Bytes of the __shared__ variables that this launch has touched.
size_t touched_static_shared();

// The span that holds all `size` bytes, or nullptr. Marks it as touched.
Span* find_span(uintptr_t address, size_t size);

// Whether a stray access does no harm: inside an allocation, its guard bands, or the shared memory area.
bool is_guarded(uintptr_t address, size_t size);

// The rest is in stray.cpp. Whether the process has memory there, far from any of the device's.
bool is_host_memory(uintptr_t address);

// Whether a stray access is one that has left a shared array by little, where going on would do harm.
bool is_beside_shared(uintptr_t address);

// "4 bytes past the end of 'x' (20 bytes)", for an access that no span holds.
std::string describe_stray(uintptr_t address, size_t size);

}  // namespace upskill::cpu
