// A range of memory that threads may access, and its state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace upskill::cpu {

enum class Space : uint8_t { nowhere, global, shared, stack, module };

struct Cell;

// A range that threads may access. The state of its elements is in its cells, see shadow.h.
struct Span {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Space space = Space::nowhere;
  bool writable = false;
  bool touched = false;     // shared memory: by this launch, so that it must be poisoned for each block
  bool remembered = false;  // gets cells at its first access
  bool host_too = false;    // host code accesses it too, at any time
  bool written = false;     // by a kernel, which has been noted
  uint8_t cell_shift = 0, cell_mask = 0;
  uint32_t born = 0;  // writes before this clock value do not count
  Cell* cells = nullptr;
  std::string name;

  bool holds(uintptr_t address, size_t size) const {
    const uintptr_t offset = address - begin;
    return offset < bytes && size <= bytes - offset;
  }
};

}  // namespace upskill::cpu
