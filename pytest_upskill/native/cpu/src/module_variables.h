// Which variables of a module are the device's, and which the host's: where kernels may go.
#pragma once

#include "elf_file.h"
#include "module.h"

namespace upskill::cpu {

// Fills in the module's `segments`, `device` and the lists of variables, if its compiler has kept them apart.
void separate_variables(Module& module, const ElfFile& file);

}  // namespace upskill::cpu
