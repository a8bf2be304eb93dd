#include "memory_checks.h"

#include <cstring>

#include "block.h"
#include "integer_overflow.h"
#include "launch_state.h"
#include "memory.h"
#include "module.h"
#include "report.h"
#include "span_cache.h"
#include "upskill_cpu/builtins.h"
#include "wild_access.h"

namespace upskill::cpu {

namespace {

#define ALWAYS_INLINE inline __attribute__((always_inline))

const char* access_name(Access access) {
  return !is_write(access) ? "read" : access == Access::atomic ? "atomic operation" : "write";
}

void host_names_variable(uintptr_t address, size_t size, Access access, uintptr_t pc) {
  const Variable* variable = device_variable_at(address);
  const std::string name = variable != nullptr ? readable_variable(variable->name.c_str()) : "";
  report(
      Assertion::runs, "host-access", pc,
      format("host code makes a %s of %zu bytes of the __device__ variable '%s', which the host has no access to; use "
             "cudaMemcpyToSymbol and cudaMemcpyFromSymbol",
             access_name(access), size, name.c_str()));
  put_out_of_reach(false);  // reported; the access itself is performed
}

void host_access(uintptr_t address, size_t size, Access access, uintptr_t pc) {
  const uintptr_t piece = address / 256;
  if (host_pieces[piece % host_slots] == piece) return;
  const DeviceLock lock(std::try_to_lock);
  if (!lock.held()) return;  // another thread runs a kernel, or changes allocations: later accesses are looked up again
  if (offset_in_module(pc) == 0) module_of(reinterpret_cast<const void*>(pc));
  if (is_device_variable(address)) return host_names_variable(address, size, access, pc);
  const Allocation* allocation = allocation_at(address);
  if (allocation == nullptr || allocation->kind != AllocationKind::device) {
    host_pieces[piece % host_slots] = piece;
    return;
  }
  report(
      Assertion::runs, "host-access", pc,
      format(
          "host code makes a %s of %zu bytes of device memory through its pointer; a GPU's memory is not the host's, "
          "use cudaMemcpy, or a kernel",
          access_name(access), size));
  put_out_of_reach(false);  // reported; the access itself is performed
}

// Describes an address that belongs to no device memory.
struct WildAccess {
  const char* kind;
  std::string description;
};

WildAccess classify(uintptr_t address, size_t size) {
  if (std::string freed = describe_freed(address); !freed.empty()) return {"use-after-free", freed};
  if (const Variable* variable = host_variable_at(address))
    return {"host-pointer", format("it is the host's variable '%s', which a GPU cannot reach; declare it __device__ or "
                                   "__constant__, or pass it to the kernel",
                                   readable_variable(variable->name.c_str()).c_str())};
  if (is_argument(address, size))
    return {"host-pointer",
            "the parameter is a reference to the host's object; a kernel's parameters are passed by value"};
  if (is_host_memory(address))
    return {"host-pointer", "the pointer is one to the host's memory, which a GPU cannot reach"};
  return {"illegal-address", describe_wild_access(address, size)};
}

// For the thread that began first it is known when it has copied its arguments, for others not.
bool has_its_arguments() {
  const uint3 &first = launch.first_block, &now = blockIdx;
  return launch.entered && block.current == launch.first_thread && first.x == now.x && first.y == now.y &&
         first.z == now.z;
}

void wild_access(uintptr_t address, size_t size, Access access, uintptr_t pc) {
  if (access == Access::read && is_argument(address, size) && !has_its_arguments()) return;
  if (is_guarded(address, size))
    return report(Assertion::memory, "out-of-bounds", pc,
                  format("out-of-bounds %s of %zu bytes: %s,%s", access_name(access), size,
                         describe_wild_access(address, size).c_str(), where().c_str()));
  if (is_beside_shared(address))
    abort_launch(cudaErrorIllegalAddress, Assertion::memory, "out-of-bounds", pc,
                 format("out-of-bounds %s of %zu bytes: %s,%s", access_name(access), size,
                        describe_wild_access(address, size).c_str(), where().c_str()));
  report_overflow();
  const auto [kind, description] = classify(address, size);
  abort_launch(
      cudaErrorIllegalAddress, Assertion::memory, kind, pc,
      format("illegal %s of %zu bytes: %s,%s", access_name(access), size, description.c_str(), where().c_str()));
}

void forbidden_write(const Span& span, size_t size, Access access, uintptr_t pc) {
  const std::string message = format("%s of %zu bytes to %s, which is an input,%s", access_name(access), size,
                                     span.name.c_str(), where().c_str());
  if (span.space == Space::global) return report(Assertion::inputs, "write-to-input", pc, message);
  abort_launch(cudaErrorIllegalAddress, Assertion::memory, "illegal-address", pc,
               format("%s of %zu bytes to constant memory,%s", access_name(access), size, where().c_str()));
}

__attribute__((noinline)) Span* look_up(uintptr_t address, size_t size, Access access, uintptr_t pc) {
  if (!configuration.check_memory) return nullptr;
  Span* span = find_span(address, size);
  if (span == nullptr) return wild_access(address, size, access, pc), nullptr;
  if (is_write(access) && !span->writable) return forbidden_write(*span, size, access, pc), nullptr;
  last_span(pc) = span;
  if (span->remembered && span->cells == nullptr) attach_cells(*span, address, size);
  return span;
}

// Returns the span, or nullptr if the access is not allowed, or not checked.
ALWAYS_INLINE Span* check(uintptr_t address, size_t size, Access access, uintptr_t pc) {
  if (!in_kernel) return host_access(address, size, access, pc), nullptr;
  Span* span = last_span(pc);
  if (!span->holds(address, size) || (is_write(access) && !span->writable)) {
    span = look_up(address, size, access, pc);
    if (span == nullptr) return nullptr;
  }
  if (is_write(access) && !span->written) {
    span->written = true;
    note_written(address, true);
  }
  if (span->cells != nullptr) mark(*span, address, size, access, pc);
  return span;
}

template <size_t size, bool write>
__attribute__((noinline)) void check_slowly(uintptr_t address, uintptr_t pc) {
  const Span* span = check(address, size, write ? Access::write : Access::read, pc);
  if (span == nullptr) return;
  Site& site = site_of<size, write>(pc);
  if (site.count == 0 || site.begin != span->begin) fill(site, *span, size);
}

// For reads of what the thread has written itself, or an earlier launch.
template <size_t size>
__attribute__((noinline)) void check_unusual_read(uintptr_t address, uintptr_t pc, Cell* cell, uint32_t born) {
  if (store_pending) return check_slowly<size, false>(address, pc);
  for (size_t i = 0; i < size >> site_shift(size); ++i)
    if (!note_fine_read(cell[i], born, pc)) return check_slowly<size, false>(address, pc);
}

// Nearly every access takes this path.
template <size_t size, bool write>
ALWAYS_INLINE void check_quickly(uintptr_t address, uintptr_t pc) {
  constexpr int shift = site_shift(size);
  const Site* site = &site_of<size, write>(pc);
  asm("" : "+r"(site));  // or parts of its address would be computed again for each member
  const uintptr_t offset = address - site->begin;
  const uintptr_t index = offset >> shift | offset << (64 - shift) % 64;  // a huge one if not aligned
  if (index >= site->count) return check_slowly<size, write>(address, pc);
  if (site->cells == nullptr) return;
  Cell* const cell = site->cells + index;
  if (write && (store_pending || self.fresh_fence)) return check_slowly<size, write>(address, pc);
  for (size_t i = 0; i < size >> shift; ++i) {
    if (write) {
      if (!note_fine_write(cell[i], *site->since, pc)) return check_slowly<size, write>(address, pc);
    } else {
      if (!note_usual_read(cell[i], pc)) return check_unusual_read<size>(address, pc, cell, site->born);
    }
  }
}

// A thread that reads one volatile address repeatedly polls for another thread. That thread must run before the read is
// checked, so that the read can see its store.
void count_volatile_read(uintptr_t address) {
  if (!in_kernel) return;
  static uintptr_t last_address;
  static int last_thread, repeats;
  constexpr int patience = 64;
  if (address != last_address || block.current != last_thread) repeats = 0;
  last_address = address;
  last_thread = block.current;
  if (++repeats < patience) return;
  repeats = 0;
  yield();
}

}  // namespace

void check_access(uintptr_t address, size_t size, Access access, uintptr_t pc) { check(address, size, access, pc); }

void poll(uintptr_t address) { count_volatile_read(address); }

}  // namespace upskill::cpu

using namespace upskill::cpu;

#define PC reinterpret_cast<uintptr_t>(__builtin_return_address(0))
#define ADDRESS(pointer) reinterpret_cast<uintptr_t>(pointer)

#define HOOKS(size)                                                                                             \
  extern "C" void __tsan_read##size(void* p) { check_quickly<size, false>(ADDRESS(p), PC); }                    \
  extern "C" void __tsan_write##size(void* p) { check_quickly<size, true>(ADDRESS(p), PC); }                    \
  extern "C" void __tsan_unaligned_read##size(void* p) { check_quickly<size, false>(ADDRESS(p), PC); }          \
  extern "C" void __tsan_unaligned_write##size(void* p) { check_quickly<size, true>(ADDRESS(p), PC); }          \
  extern "C" void __tsan_volatile_write##size(void* p) { check(ADDRESS(p), size, Access::volatile_write, PC); } \
  extern "C" void __tsan_volatile_read##size(void* p) {                                                         \
    count_volatile_read(ADDRESS(p));                                                                            \
    check(ADDRESS(p), size, Access::volatile_read, PC);                                                         \
  }                                                                                                             \
  extern "C" void __tsan_unaligned_volatile_read##size(void* p) {                                               \
    check(ADDRESS(p), size, Access::volatile_read, PC);                                                         \
  }                                                                                                             \
  extern "C" void __tsan_unaligned_volatile_write##size(void* p) {                                              \
    check(ADDRESS(p), size, Access::volatile_write, PC);                                                        \
  }

HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

extern "C" {

void __tsan_read_range(void* p, size_t size) {
  if (size != 0) check(ADDRESS(p), size, Access::read, PC);
}
void __tsan_write_range(void* p, size_t size) {
  if (size != 0) check(ADDRESS(p), size, Access::write, PC);
}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
// A constructor stores the pointer to its class's virtual functions; a call of one loads it.
void __tsan_vptr_update(void** place, void*) { check(ADDRESS(place), sizeof *place, Access::write, PC); }
void __tsan_vptr_read(void** place) { check(ADDRESS(place), sizeof *place, Access::read, PC); }

// The student's object is linked with --wrap for these three.
void* __wrap_memcpy(void* target, const void* source, size_t size) {
  if (size != 0) {
    check(ADDRESS(source), size, Access::read, PC);
    check(ADDRESS(target), size, Access::write, PC);
  }
  return std::memcpy(target, source, size);
}
void* __wrap_memmove(void* target, const void* source, size_t size) {
  if (size != 0) {
    check(ADDRESS(source), size, Access::read, PC);
    check(ADDRESS(target), size, Access::write, PC);
  }
  return std::memmove(target, source, size);
}
void* __wrap_memset(void* target, int value, size_t size) {
  if (size != 0) check(ADDRESS(target), size, Access::write, PC);
  return std::memset(target, value, size);
}

// The entry points of -fsanitize=alignment,bounds: layouts as in GCC's libsanitizer (ubsan_handlers.h).
struct SourceLocation {
  const char* file;
  uint32_t line, column;
};
struct AccessedType {
  uint16_t kind, info;
  char name[1];
};
struct TypeMismatch {
  SourceLocation location;
  const AccessedType* type;
  unsigned char log_alignment, check_kind;
};
struct OutOfBounds {
  SourceLocation location;
  const AccessedType *array, *index;
};

void __ubsan_handle_type_mismatch_v1(TypeMismatch* data, uintptr_t address) {
  const unsigned alignment = 1u << data->log_alignment;
  if (!in_kernel || address % alignment == 0) return;
  abort_launch(cudaErrorMisalignedAddress, Assertion::runs, "misaligned-address", PC,
               format("misaligned access: %s needs an address that is a multiple of %u, this one is off by %u,%s",
                      data->type->name, alignment, static_cast<unsigned>(address % alignment), where().c_str()));
}

// The array may be a local one, and the stack behind it must not be overwritten: the launch ends here.
void __ubsan_handle_out_of_bounds(OutOfBounds* data, uintptr_t index) {
  if (!in_kernel) return;
  abort_launch(cudaErrorIllegalAddress, Assertion::memory, "out-of-bounds", PC,
               format("index %lld is outside the array, which is %s,%s", static_cast<long long>(index),
                      data->array->name, where().c_str()));
}

}  // extern "C"
