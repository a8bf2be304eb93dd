// Stacks for the threads of a block, and the switch between them. Independent of CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

namespace upskill::cpu {

// Memory of all stacks together, so that accesses to them are recognised.
struct StackArea {
  uintptr_t begin;
  size_t bytes;
  size_t one;  // the bytes of each
};

// Allocates the stacks 0 to count - 1 if needed.
StackArea reserve_stacks(int count);

// A fresh stack, on which `entry` starts at the first switch to the returned stack pointer. `entry` never returns.
void* prepare_stack(int index, void (*entry)());

// The oldest byte of the stack on which a suspended fiber with this stack pointer lives.
uintptr_t stack_end(const void* stack_pointer);

}  // namespace upskill::cpu

// Saves the callee-saved registers, stores the stack pointer in *save, and resumes at the stack pointer `to`.
extern "C" void upskill_cpu_switch(void** save, void* to);
