// What a launcher sees of a call: copies of its scalars, and nothing of the shared memory, which holds the inputs.
#ifndef UPSKILL_LAUNCHER_VIEW_H
#define UPSKILL_LAUNCHER_VIEW_H

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

// Whole pages that the process cannot access meanwhile.
class Hidden {
 public:
  Hidden(char* base, std::size_t bytes) : base_(base), bytes_(bytes) { mprotect(base_, bytes_, PROT_NONE); }
  ~Hidden() { mprotect(base_, bytes_, PROT_READ | PROT_WRITE); }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  char* base_;
  std::size_t bytes_;
};

}  // namespace upskill

#endif
