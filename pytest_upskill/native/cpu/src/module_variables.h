// Which variables of a module are the device's, and which the host's: where kernels may go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "elf_file.h"

namespace upskill::cpu {

struct Variable {
  std::string name;  // of shared ones: as in the source; of others: the symbol
  uintptr_t begin;
  size_t bytes;
};

struct Segment {
  uintptr_t begin;
  size_t bytes;
  bool writable;
};

// Variables are sorted by address. Without `device`, the compiler does not keep them apart, and nothing is known.
struct ModuleVariables {
  std::vector<Segment> device;    // where the device's variables are, in whole pages
  std::vector<Segment> segments;  // what kernels may access: code, constants, the device's and managed variables
  std::vector<Variable> of_device, of_host;
};

// Those of a file that is loaded at `base`.
ModuleVariables separate_variables(uintptr_t base, const ElfFile& file);

}  // namespace upskill::cpu
