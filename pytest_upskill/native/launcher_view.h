// What a launcher sees of a call: copies of its scalars, and nothing of the shared memory, which holds the inputs.
#ifndef UPSKILL_LAUNCHER_VIEW_H
#define UPSKILL_LAUNCHER_VIEW_H

#include "driver.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <sys/mman.h>

namespace upskill {

class Scalars {
 public:
  explicit Scalars(std::size_t most) { values_.reserve(most); }

  // The address of a copy, valid as long as this object.
  void* add(const void* value, std::size_t bytes) {
    std::memcpy(&values_.emplace_back(), value, std::min(bytes, sizeof(std::uint64_t)));
    return &values_.back();
  }

 private:
  std::vector<std::uint64_t> values_;
};

// The part of the shared memory that a call uses, which the process cannot access meanwhile.
class Hidden {
 public:
  Hidden(char* shared, const RequestHeader& header, const RequestArgument* arguments) : base_(shared) {
    for (std::uint32_t i = 0; i < header.count; ++i) {
      bytes_ = std::max<std::size_t>(bytes_, arguments[i].offset + arguments[i].bytes);
    }
    mprotect(base_, bytes_, PROT_NONE);
  }
  ~Hidden() { mprotect(base_, bytes_, PROT_READ | PROT_WRITE); }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  char* base_;
  std::size_t bytes_ = 0;
};

}  // namespace upskill

#endif
