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

// A range that threads may touch. Kernel state about its bytes (who wrote last, what is initialised) belongs here too.
struct Span {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Space space = Space::nowhere;
  bool writable = false;
  bool touched = false;      // shared memory: by this launch, so that it must be poisoned for each block
  bool initialised = false;  // watched tensors: as told by upskill_watch
  std::string name;

  bool holds(uintptr_t address, size_t size) const {
    const uintptr_t offset = address - begin;
    return offset < bytes && size <= bytes - offset;
  }
};

enum class AllocationKind : uint8_t { device, managed, host };

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  AllocationKind kind = AllocationKind::device;
};

// Allocations, for the runtime API. allocate returns nullptr where there is no memory; release whether it was known.
void* allocate(size_t bytes, AllocationKind kind);
bool release(void* pointer);
void release_all();
const Allocation* allocation_at(uintptr_t address);
size_t allocated_bytes();
constexpr size_t device_bytes = size_t{16} << 30;

void watch(const void* base, size_t bytes, const char* name, bool writable, bool initialised);
void unwatch_all();
const Span* watched_at(uintptr_t address);

// Called for each launch, and for each block.
void prepare_memory(const Module& module, size_t dynamic_shared);
void poison_shared_memory();

// The contents of all shared memory that this launch has touched, for blocks that take turns.
struct SharedCopy {
  std::vector<char> bytes;
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

// "4 bytes past the end of 'x' (20 bytes)", for an access that no span holds.
std::string describe_stray(uintptr_t address, size_t size);

}  // namespace upskill::cpu
