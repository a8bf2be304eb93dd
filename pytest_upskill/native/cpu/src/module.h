// The shared library that holds a kernel: where its data and its __shared__ variables are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "module_variables.h"

namespace upskill::cpu {

struct Module {
  std::string path;  // empty for the program itself
  int serial = 0;    // differs between any two modules, also where one was unloaded and another took its place
  uintptr_t base = 0, end = 0;  // load address, and one past the last byte
  uintptr_t code_begin = 0, code_end = 0;
  std::vector<Segment> segments;  // what kernels may access: code, constants, the device's and managed variables
  ModuleVariables variables;
  uintptr_t shared_begin = 0;  // the thread-local block, which holds the __shared__ variables
  size_t shared_bytes = 0;
  std::vector<Variable> shared;  // sorted by address
  // The compiler's notes of which __shared__ variables it has constructed. CUDA constructs none, so they are all set.
  std::vector<Variable> guards;
};

// The module that holds the code at `address`, which becomes the current one; cached until a library is unloaded.
const Module& module_of(const void* address);

// The one of the last module_of; empty before.
const Module& current_module();

// `pc` relative to the module of the last launch, as addr2line wants it for a return address; 0 if it is elsewhere.
uintptr_t offset_in_module(uintptr_t pc);

// "softmax<float>", the function at that address; nullptr if its module was stripped. The text stays valid.
const char* function_name(const void* address);

// The device's or the host's variable of the current module at that address, or nullptr.
const Variable* device_variable_at(uintptr_t address);
const Variable* host_variable_at(uintptr_t address);

// Whether the address lies among the current module's device variables.
bool is_device_variable(uintptr_t address);

// Whether the kernel's own code lies at that address.
bool is_code(uintptr_t address);

// "softmax<float>" for the symbol of a function, and "row" for that of a variable.
std::string readable_function(const char* symbol);
std::string readable_variable(const char* symbol);

// The address in that module of which `low` are the lower 32 bits.
uintptr_t restore_address(uint32_t low);

}  // namespace upskill::cpu
