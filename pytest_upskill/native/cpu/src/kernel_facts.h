// What is known of a kernel from its compiled code, before it runs: its launch bounds and its static shared memory.
#pragma once

#include <cstddef>
#include <string>

namespace upskill::cpu {

struct KernelFacts {
  const int* bounds = nullptr;  // as in launch.h; they also identify the kernel. nullptr: not known
  size_t static_shared = 0;     // bytes of its own __shared__ variables

  int most_threads() const;
};

// The facts of the function at that address.
KernelFacts kernel_facts(const void* kernel);

// "softmax<float>", from the bounds.
std::string kernel_of(const int* bounds);

// The dynamic shared memory that a kernel may have, in bytes: what cudaFuncSetAttribute has allowed, or 48 KiB.
void allow_dynamic_shared(const int* bounds, size_t bytes);
size_t allowed_dynamic_shared(const int* bounds);

}  // namespace upskill::cpu
