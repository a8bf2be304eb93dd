// Device memory for the tensors of calls.
#ifndef UPSKILL_SLOT_H
#define UPSKILL_SLOT_H

#include "returned_outputs.h"

#include <cstddef>

namespace upskill {

constexpr std::size_t kOffset = 16;  // cudaMalloc aligns to 256, so that a tensor's base is 16 modulo 32

// Device memory of one argument. It grows when needed and otherwise keeps its address. A tight one always fits exactly.
class Slot {
 public:
  void* base(std::size_t bytes, std::size_t guard) {
    const std::size_t needed = bytes + kOffset + 2 * guard;
    if (needed > capacity_ || (guard == 0 && needed != capacity_)) {
      release();
      check(cudaMalloc(&memory_, needed), "cudaMalloc");
      capacity_ = needed;
    }
    return static_cast<char*>(memory_) + guard + kOffset;
  }

  void release() {
    if (memory_ != nullptr) {
      check(cudaFree(memory_), "cudaFree");
    }
    memory_ = nullptr;
    capacity_ = 0;
  }

  void* memory() const { return memory_; }

 private:
  void* memory_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace upskill

#endif  // UPSKILL_SLOT_H
