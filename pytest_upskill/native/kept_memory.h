// Notices memory that a launcher keeps: device memory in more and more allocations, and host memory that grows.
#ifndef UPSKILL_KEPT_MEMORY_H
#define UPSKILL_KEPT_MEMORY_H

#include "device.h"

#include <malloc.h>

#include <cstdio>
#include <string>

namespace upskill {

constexpr int kCallsToNotice = 3;
constexpr size_t kHostBytesToNotice = 1 << 20;

class KeptMemory {
 public:
  void before_launch() { before_ = in_use(); }

  // Scratch that is kept for later calls, and replaced by larger scratch, is always the same number of allocations.
  void after_launch() {
    KeptOnDevice now{};
    upskill_kept_on_device(&now);
    device_calls_ += now.allocations > most_ ? 1 : 0;
    most_ = now.allocations > most_ ? now.allocations : most_;
    device_ = now;
    const size_t after = in_use();
    if (first_) {
      first_ = false;  // buffers of the C library, and the like
    } else if (after > before_) {
      host_bytes_ += after - before_;
      ++host_calls_;
    }
  }

  // The lines of the answer: "note\tkind\tpc\tmessage".
  std::string lines() const {
    std::string all;
    if (device_calls_ > kCallsToNotice) {
      all += line("device", device_.pc,
                  std::to_string(device_.bytes) + " bytes of device memory in " + std::to_string(device_.allocations) +
                      " allocations, the last one here");
    }
    if (host_calls_ >= kCallsToNotice && host_bytes_ >= kHostBytesToNotice) {
      all += line("host", upskill_kept_on_host(),
                  std::to_string(host_bytes_) + " bytes of host memory more than after its first call");
    }
    return all;
  }

 private:
  static std::string line(const char* kind, uintptr_t pc, const std::string& what) {
    char place[24];
    std::snprintf(place, sizeof place, "0x%zx", static_cast<size_t>(pc));
    return std::string("note\tkept-") + kind + '\t' + place + "\tthe launcher keeps " + what +
           ": free what it allocates\n";
  }

  static size_t in_use() {
#if __GLIBC_PREREQ(2, 33)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
  }

  bool first_ = true;
  size_t before_ = 0;
  size_t most_ = 0;
  int device_calls_ = 0;
  KeptOnDevice device_{};
  size_t host_bytes_ = 0;
  int host_calls_ = 0;
};

}  // namespace upskill

#endif
