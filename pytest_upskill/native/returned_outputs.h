// What became of the outputs of a call once it had returned: nobody has any business with them then.
//
// The host's copies are gone by the next call, since its inputs lie there; the device's memory is as it was left, so
// that a hash tells. It must be looked at before anything is placed in that memory, or freed.
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
  // `copy` is what the call gave back of the `bytes` at `base`.
  void remember(std::string name, const char* base, const char* copy, std::size_t bytes) {
    std::size_t hash = 0;
    for (std::size_t done = 0; done < bytes; done += kCompared) {
      add_to(hash, copy + done, std::min(kCompared, bytes - done));
    }
    outputs_.push_back({std::move(name), base, bytes, hash});
  }

  // The names of those that are no longer what they were; forgets them all.
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
