// Accesses outside of all spans: finds the nearest span and describes the access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace upskill::cpu {

// Whether the process has mapped memory there, far from any device memory.
bool is_host_memory(uintptr_t address);

// Whether the access is slightly outside a shared array, where continuing would corrupt memory.
bool is_beside_shared(uintptr_t address);

// "4 bytes past the end of 'x' (20 bytes)".
std::string describe_wild_access(uintptr_t address, size_t size);

}  // namespace upskill::cpu
