// Which device memory host code has initialised, by cudaMemcpy and cudaMemset.
#pragma once

#include <cstddef>
#include <cstdint>

namespace upskill::cpu {

void note_host_write(uintptr_t address, size_t bytes);
void forget_host_writes(uintptr_t begin, uintptr_t end);
bool is_initialised(uintptr_t address, size_t bytes);

}  // namespace upskill::cpu
