// malloc and new in a kernel: device memory, which the kernel frees. The user's object is linked with --wrap for the
// names below; host code gets the C library's memory.
#include <cstdlib>
#include <new>

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

}  // namespace

extern "C" {

void* __wrap_malloc(size_t bytes) { return in_kernel ? heap_allocate(bytes, PC) : std::malloc(bytes); }
void __wrap_free(void* pointer) { in_kernel ? heap_free(pointer, PC) : std::free(pointer); }

// operator new and delete, of one object and of arrays, with and without the size.
void* __wrap__Znwm(size_t bytes) { return in_kernel ? heap_allocate(bytes, PC) : ::operator new(bytes); }
void* __wrap__Znam(size_t bytes) { return in_kernel ? heap_allocate(bytes, PC) : ::operator new[](bytes); }
void __wrap__ZdlPv(void* pointer) { in_kernel ? heap_free(pointer, PC) : ::operator delete(pointer); }
void __wrap__ZdaPv(void* pointer) { in_kernel ? heap_free(pointer, PC) : ::operator delete[](pointer); }
void __wrap__ZdlPvm(void* pointer, size_t) { in_kernel ? heap_free(pointer, PC) : ::operator delete(pointer); }
void __wrap__ZdaPvm(void* pointer, size_t) { in_kernel ? heap_free(pointer, PC) : ::operator delete[](pointer); }
}
