// Every access to memory that a kernel makes, seen through the entry points of -fsanitize=thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shadow.h"

namespace upskill::cpu {

// Reports the access if it is not allowed, and ends the launch if going on would do harm.
void check_access(uintptr_t address, size_t size, Access access, uintptr_t pc);

// For a read in a loop that waits for another thread: lets that have its turn.
void poll(uintptr_t address);

}  // namespace upskill::cpu
