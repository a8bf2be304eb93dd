#include "fiber.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace upskill::cpu {

namespace {

// A GPU's thread has at most 512 KiB of local memory; the rest is for the runtime.
constexpr size_t one_stack = (512 + 32) << 10;
constexpr size_t guard_page_bytes = 4096;
constexpr int max_stacks = 1024;
// Stacks that all began at the same offset in a page would compete for the same few cache sets.
constexpr size_t stagger_bytes = 320, stagger_period = 8192;

char* stacks = nullptr;
int guarded = 0;

uintptr_t first_word(int index) {
  const char* top = stacks + static_cast<size_t>(index + 1) * (one_stack + guard_page_bytes);
  return (reinterpret_cast<uintptr_t>(top) - 64 - index * stagger_bytes % stagger_period) & ~uintptr_t{15};
}

}  // namespace

StackArea reserve_stacks(int count) {
  constexpr size_t bytes = (one_stack + guard_page_bytes) * max_stacks;
  if (stacks == nullptr) {
    void* area = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
      std::fputs("upskill cpu device: no address space for the threads' stacks\n", stderr);
      std::abort();
    }
    stacks = static_cast<char*>(area);
  }
  for (; guarded < count; ++guarded)
    mprotect(stacks + static_cast<size_t>(guarded) * (one_stack + guard_page_bytes), guard_page_bytes, PROT_NONE);
  return {reinterpret_cast<uintptr_t>(stacks), bytes, one_stack};
}

uintptr_t stack_end(const void* stack_pointer) {
  const auto offset = static_cast<size_t>(static_cast<const char*>(stack_pointer) - stacks);
  return first_word(static_cast<int>(offset / (one_stack + guard_page_bytes)));
}

#if defined(__x86_64__)

asm(R"(
.text
.globl upskill_cpu_switch
.type upskill_cpu_switch, @function
upskill_cpu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size upskill_cpu_switch, .-upskill_cpu_switch
)");

void* prepare_stack(int index, void (*entry)()) {
  constexpr int saved_registers = 6;
  auto** stack = reinterpret_cast<void**>(first_word(index));
  *--stack = nullptr;  // where a return address would be, so that the stack is aligned as after a call
  *--stack = reinterpret_cast<void*>(entry);
  for (int i = 0; i < saved_registers; ++i) *--stack = nullptr;
  return stack;
}

#elif defined(__aarch64__)

asm(R"(
.text
.globl upskill_cpu_switch
.type upskill_cpu_switch, %function
upskill_cpu_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size upskill_cpu_switch, .-upskill_cpu_switch
)");

void* prepare_stack(int index, void (*entry)()) {
  constexpr int saved_words = 20, link_register = 11;
  auto** stack = reinterpret_cast<void**>(first_word(index)) - saved_words;
  for (int i = 0; i < saved_words; ++i) stack[i] = nullptr;
  stack[link_register] = reinterpret_cast<void*>(entry);
  return stack;
}

#else
#error "the cpu device has a stack switch for x86-64 and arm64 only; write upskill_cpu_switch for this processor"
#endif

}  // namespace upskill::cpu
