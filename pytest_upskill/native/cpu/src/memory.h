// Memory and the permission to access it: allocations, watched tensors, shared memory, stacks, module data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../../device.h"
#include "module.h"
#include "span.h"

namespace upskill::cpu {

enum class AllocationKind : uint8_t { device, managed, host, heap, registered };

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  AllocationKind kind = AllocationKind::device;
  uint32_t born = 0;     // 0: the contents may be read before a write
  uintptr_t pc = 0;      // where it was allocated
  int call = 0;          // in which call of the driver
  bool written = false;  // holds values that kernels have written
};

// Allocations, for the runtime API. allocate returns nullptr when out of memory; deallocate returns whether the pointer
// was known.
void* allocate(size_t bytes, AllocationKind kind, uintptr_t pc);
bool deallocate(void* pointer, uintptr_t pc);
void release_all();

// Host memory that the device may use from now on, and no longer; whether it was not registered yet, or was.
bool register_host(void* pointer, size_t bytes);
bool unregister_host(void* pointer);

// malloc and free within a kernel: the memory is accessible at once. The contents count as written.
void* allocate_in_kernel(size_t bytes, uintptr_t pc);
bool deallocate_in_kernel(void* pointer, uintptr_t pc);

const Allocation* allocation_at(uintptr_t address);
size_t allocated_bytes();
// Makes device memory, and the device's variables of the current module, accessible or inaccessible to host code. Code
// of the runtime that accesses it holds a Reach meanwhile; a Reach that is kept leaves it accessible until the next
// launcher.
void put_out_of_reach(bool yes);
bool is_out_of_reach(uintptr_t address);
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

// Whether the allocation that holds the address has values that kernels have written.
void note_written(uintptr_t address, bool yes);
bool is_written(uintptr_t address);

// Host code has filled this part of device memory: with values from `source`, unless it is 0.
void note_filled(uintptr_t target, size_t bytes, uintptr_t source);

// Describes the freed memory that holds the address, or returns an empty text; freed bytes stay unused for a while.
std::string describe_freed(uintptr_t address);

// Called when a call of the driver begins, and when its reports are read.
void begin_call();
void report_leaks();

// All allocations by code of the student's library.
KeptOnDevice kept_allocations();

// Whether allocations of host memory are noted from now on.
void note_host_allocations(bool yes);

// From the shadow: all recorded clock values are older than any later one.
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

// Whether a wild access is harmless: inside an allocation, its guard bands, or the shared memory area.
bool is_guarded(uintptr_t address, size_t size);

}  // namespace upskill::cpu
