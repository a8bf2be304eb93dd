// malloc and new in a kernel: device memory, which the kernel frees. The user's object is linked with --wrap for the
// names below; host code gets the C library's memory, and its allocations are remembered.
#include <cstdlib>
#include <map>
#include <new>
#include <unordered_map>

#include "../../device.h"
#include "launch_state.h"
#include "memory.h"
#include "report.h"

using namespace upskill::cpu;

namespace {

#define PC reinterpret_cast<uintptr_t>(__builtin_return_address(0))

// A kernel's malloc of 0 bytes gives memory of its own too, as the host's does.
void* heap_allocate(size_t bytes, uintptr_t pc) { return allocate_in_kernel(bytes != 0 ? bytes : 1, pc); }

void heap_free(void* pointer, uintptr_t pc) {
  if (pointer == nullptr || deallocate_in_kernel(pointer, pc)) return;
  const std::string freed = describe_freed(reinterpret_cast<uintptr_t>(pointer));
  report(
      Assertion::memory, freed.empty() ? "invalid-free" : "double-free", pc,
      (freed.empty() ? "free of a pointer that no malloc of a kernel has given," : "free of " + freed + ",") + where());
}

// Host allocations of the student's object that are not freed. Code in libraries may free them unseen.
struct HostAllocation {
  size_t bytes;
  uintptr_t pc;
};

// None in a whole program, whose threads would need a lock here. It is never destroyed: destructors free memory, too.
std::unordered_map<void*, HostAllocation>* host_allocations = nullptr;
bool noting = false;

void* note(void* pointer, size_t bytes, uintptr_t pc) {
  if (noting && pointer != nullptr) (*host_allocations)[pointer] = {bytes, pc};
  return pointer;
}

void* forget(void* pointer) {
  if (host_allocations != nullptr) host_allocations->erase(pointer);
  return pointer;
}

}  // namespace

void upskill::cpu::note_host_allocations(bool yes) {
  if (host_allocations == nullptr) host_allocations = new std::unordered_map<void*, HostAllocation>;
  noting = yes;
}

extern "C" {

uintptr_t upskill_kept_on_host() {
  std::map<uintptr_t, size_t> sums;
  uintptr_t most = 0;
  if (host_allocations == nullptr) return 0;
  for (const auto& [pointer, one] : *host_allocations)
    if ((sums[one.pc] += one.bytes) > sums[most]) most = one.pc;
  return offset_in_module(most);
}

void* __wrap_malloc(size_t bytes) { return in_kernel ? heap_allocate(bytes, PC) : note(std::malloc(bytes), bytes, PC); }
void __wrap_free(void* pointer) { in_kernel ? heap_free(pointer, PC) : std::free(forget(pointer)); }

// operator new and delete, of one object and of arrays, with and without the size.
void* __wrap__Znwm(size_t bytes) {
  return in_kernel ? heap_allocate(bytes, PC) : note(::operator new(bytes), bytes, PC);
}
void* __wrap__Znam(size_t bytes) {
  return in_kernel ? heap_allocate(bytes, PC) : note(::operator new[](bytes), bytes, PC);
}
void __wrap__ZdlPv(void* pointer) { in_kernel ? heap_free(pointer, PC) : ::operator delete(forget(pointer)); }
void __wrap__ZdaPv(void* pointer) { in_kernel ? heap_free(pointer, PC) : ::operator delete[](forget(pointer)); }
void __wrap__ZdlPvm(void* pointer, size_t) { in_kernel ? heap_free(pointer, PC) : ::operator delete(forget(pointer)); }
void __wrap__ZdaPvm(void* pointer, size_t) {
  in_kernel ? heap_free(pointer, PC) : ::operator delete[](forget(pointer));
}
}
