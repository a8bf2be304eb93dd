// Checks every memory access of a kernel, through the entry points of -fsanitize=thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shadow.h"

namespace upskill::cpu {

// Reports the access if it is not allowed, and ends the launch if continuing would corrupt memory.
void check_access(uintptr_t address, size_t size, Access access, uintptr_t pc);

// For a read in a loop that polls for another thread: lets that thread run.
void poll(uintptr_t address);

}  // namespace upskill::cpu
