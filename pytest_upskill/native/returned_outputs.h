// Detects writes to the outputs of a call after the call has returned.
//
// The host's copies are overwritten by the next call's inputs; the device's memory is unchanged, so its hash is
// compared. The check must run before anything is placed in that memory, and before it is freed.
#ifndef UPSKILL_RETURNED_OUTPUTS_H
#define UPSKILL_RETURNED_OUTPUTS_H

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <cuda_runtime.h>

namespace upskill {

constexpr std::size_t kCompared = 1 << 20;  // bytes that are fetched at once to be compared

// A CUDA call of the driver's own that failed.
struct DeviceError {
  cudaError_t code;
  const char* during;
};

inline void check(cudaError_t code, const char* during) {
  if (code != cudaSuccess) {
    throw DeviceError{code, during};
  }
}

class ReturnedOutputs {
 public:
  // `copy` holds the `bytes` that the call returned from `base`.
  void remember(std::string name, const char* base, const char* copy, std::size_t bytes) {
    std::size_t hash = 0;
    for (std::size_t done = 0; done < bytes; done += kCompared) {
      add_to(hash, copy + done, std::min(kCompared, bytes - done));
    }
    outputs_.push_back({std::move(name), base, bytes, hash});
  }

  // Returns the names of the outputs that have changed, and clears the list.
  std::vector<std::string> take_changed() {
    std::vector<std::string> changed;
    copy_.resize(kCompared);
    for (const Output& output : outputs_) {
      std::size_t hash = 0;
      for (std::size_t done = 0; done < output.bytes; done += kCompared) {
        const std::size_t part = std::min(kCompared, output.bytes - done);
        check(cudaMemcpy(copy_.data(), output.base + done, part, cudaMemcpyDeviceToHost), "cudaMemcpy");
        add_to(hash, copy_.data(), part);
      }
      if (hash != output.hash) {
        changed.push_back(output.name);
      }
    }
    outputs_.clear();
    return changed;
  }

 private:
  struct Output {
    std::string name;
    const char* base;
    std::size_t bytes;
    std::size_t hash;
  };

  static void add_to(std::size_t& hash, const char* data, std::size_t bytes) {
    hash = hash * 31 + std::hash<std::string_view>()({data, bytes});
  }

  std::vector<Output> outputs_;
  std::vector<char> copy_;
};

}  // namespace upskill

#endif
