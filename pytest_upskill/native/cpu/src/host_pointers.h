// Addresses that host code has and the device cannot use: those of the device's variables by their names, and those of
// the host's own memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace upskill::cpu {

// cudaGetSymbolAddress has given the address of this variable to host code. is_symbol: whether it lies in one.
void note_symbol(uintptr_t begin, size_t bytes);
bool is_symbol(uintptr_t address);

// "the __device__ variable 'x'", if host code cannot have the address from anywhere but its name; otherwise empty.
std::string describe_named(uintptr_t address);

// Reports arguments of the present launch that a kernel cannot use.
void check_arguments();

// Reports pointers to the device's variables, by name, among data that the host copies to the device.
void check_copied(const void* source, size_t bytes, uintptr_t pc);

}  // namespace upskill::cpu
