// Accesses that no span holds: what lies nearest, and how to say so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace upskill::cpu {

// Whether the process has memory there, far from any of the device's.
bool is_host_memory(uintptr_t address);

// Whether the access has left a shared array by little, where going on would do harm.
bool is_beside_shared(uintptr_t address);

// "4 bytes past the end of 'x' (20 bytes)".
std::string describe_wild_access(uintptr_t address, size_t size);

}  // namespace upskill::cpu
