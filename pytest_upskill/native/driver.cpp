// The driver: ordinary CUDA runtime code that calls a kernel's entry with tensors in guarded device memory.
//
// It is an object of its own, so that no macro of the student's reaches it, and knows the device only through the CUDA
// runtime API and device.h: the cpu device's runtime and a GPU's serve it alike. One call: every tensor lies in an
// allocation of its own between two guard bands, on an address aligned to 16 bytes and no more; inputs are copied in,
// outputs filled with poison; after the launch and a device-wide synchronise, the guards and the inputs are compared
// with what they were, and the outputs copied out. Device memory is kept from call to call, so that addresses repeat.
#include "driver.h"

#include "device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <typeinfo>
#include <vector>

namespace upskill {
namespace {

constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kOffset = 16;  // cudaMalloc aligns to 256, so that a tensor's base is 16 modulo 32
constexpr std::size_t kChunk = 1 << 16;
constexpr std::size_t kMostFindings = 64;
constexpr std::size_t kMostText = 48 << 10;

// A CUDA call of the driver's own that failed.
struct DeviceError {
  cudaError_t code;
  const char* during;
};

void check(cudaError_t code, const char* during) {
  if (code != cudaSuccess) {
    throw DeviceError{code, during};
  }
}

// Collects the lines of the answer.
class Findings {
 public:
  void add(const char* assertion, const char* kind, const std::string& message) {
    add_line(std::string(assertion) + '\t' + kind + "\t0\t" + flat(message));
  }

  void add_line(const std::string& line) {
    if (count_++ < kMostFindings && text_.size() + line.size() < kMostText) {
      text_ += line + '\n';
    }
  }

  std::string take() { return std::move(text_); }

 private:
  static std::string flat(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    return text;
  }

  std::string text_;
  std::size_t count_ = 0;
};

// Device memory of one argument: grows when it must, and keeps its address otherwise.
class Slot {
 public:
  void* base(std::size_t bytes) {
    const std::size_t needed = bytes + kOffset + 2 * kGuardBytes;
    if (needed > capacity_) {
      release();
      check(cudaMalloc(&memory_, needed), "cudaMalloc");
      capacity_ = needed;
    }
    return static_cast<char*>(memory_) + kGuardBytes + kOffset;
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

struct Tensor {
  const RequestArgument* argument;
  char* front;  // start of the guard before it
  char* base;
  char* host;

  std::size_t bytes() const { return argument->bytes; }
  std::size_t front_bytes() const { return static_cast<std::size_t>(base - front); }
};

std::vector<Slot> slots;
cudaStream_t stream = nullptr;

// A host buffer full of the two-byte pattern. Both bytes of any pattern in use make every floating dtype a NaN.
std::vector<char> patterned(std::uint32_t pattern) {
  std::vector<char> chunk(kChunk);
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    chunk[i] = static_cast<char>(pattern >> (i % 2 * 8));
  }
  return chunk;
}

void fill(char* device, std::size_t bytes, const std::vector<char>& pattern) {
  for (std::size_t done = 0; done < bytes; done += kChunk) {
    const std::size_t part = std::min(kChunk, bytes - done);
    check(cudaMemcpy(device + done, pattern.data(), part, cudaMemcpyHostToDevice), "cudaMemcpy");
  }
}

void prepare(const Tensor& tensor, const std::vector<char>& pattern) {
  fill(tensor.front, tensor.front_bytes(), pattern);
  fill(tensor.base + tensor.bytes(), kGuardBytes, pattern);
  if (tensor.argument->role == kOutput) {
    fill(tensor.base, tensor.bytes(), pattern);
  } else if (tensor.bytes() > 0) {
    check(cudaMemcpy(tensor.base, tensor.host, tensor.bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
}

void watch(const Tensor& tensor) {
  const int access = tensor.argument->role == kInput ? UPSKILL_READ_ONLY : UPSKILL_READ_WRITE;
  const int initialised = tensor.argument->role != kOutput;
  upskill_watch(tensor.base, tensor.bytes(), tensor.argument->name, access, initialised);
}

// How many bytes of `device` differ from `expected` (repeated every `period` bytes), and the first and last of them.
struct Difference {
  std::size_t count = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

Difference compare(const char* device, const char* expected, std::size_t bytes, std::size_t period) {
  static std::vector<char> copy(kChunk);
  Difference found;
  for (std::size_t done = 0; done < bytes; done += kChunk) {
    const std::size_t part = std::min(kChunk, bytes - done);
    check(cudaMemcpy(copy.data(), device + done, part, cudaMemcpyDeviceToHost), "cudaMemcpy");
    const char* want = expected + done % period;
    if (std::memcmp(copy.data(), want, part) == 0) {
      continue;
    }
    for (std::size_t i = 0; i < part; ++i) {
      if (copy[i] != want[i]) {
        found.first = found.count == 0 ? done + i : found.first;
        found.last = done + i;
        ++found.count;
      }
    }
  }
  return found;
}

std::string quoted(const Tensor& tensor) { return "'" + std::string(tensor.argument->name) + "'"; }

std::string elements(const Tensor& tensor, std::size_t distance) {
  return std::to_string(distance / tensor.argument->element_bytes + 1);
}

void check_guards(const Tensor& tensor, const std::vector<char>& pattern, Findings& findings) {
  const Difference before = compare(tensor.front, pattern.data(), tensor.front_bytes(), kChunk);
  if (before.count > 0) {
    const std::size_t distance = tensor.front_bytes() - 1 - before.last;
    findings.add("memory", "guard",
                 std::to_string(before.count) + " bytes before the start of " + quoted(tensor) +
                     " were overwritten, the nearest " + elements(tensor, distance) + " element(s) before it");
  }
  const Difference after = compare(tensor.base + tensor.bytes(), pattern.data(), kGuardBytes, kChunk);
  if (after.count > 0) {
    findings.add("memory", "guard",
                 std::to_string(after.count) + " bytes after the end of " + quoted(tensor) +
                     " were overwritten, the nearest " + elements(tensor, after.first) + " element(s) after it");
  }
}

void check_input(const Tensor& tensor, Findings& findings) {
  const Difference changed = compare(tensor.base, tensor.host, tensor.bytes(), tensor.bytes());
  if (changed.count > 0) {
    findings.add("inputs", "input-modified",
                 "the kernel changed its input " + quoted(tensor) + ": " + std::to_string(changed.count) +
                     " bytes differ, the first in element " +
                     std::to_string(changed.first / tensor.argument->element_bytes));
  }
}

bool launch_failed(cudaError_t code, const char* when, Findings& findings) {
  if (code == cudaSuccess) {
    return false;
  }
  findings.add("runs", "launch-error", std::string(cudaGetErrorString(code)) + " (" + when + ")");
  return true;
}

// Calls the student's launcher; whatever it throws is a finding.
bool launch(Entry entry, int instantiation, void* const* arguments, Findings& findings) {
  try {
    entry(instantiation, arguments, stream);
    return true;
  } catch (const std::bad_alloc&) {
    findings.add("runs", "memory-limit", "the launcher ran out of host memory (std::bad_alloc)");
  } catch (const std::exception& error) {
    findings.add("runs", "crash", std::string("the launcher threw an exception: ") + error.what());
  } catch (...) {
    findings.add("runs", "crash", "the launcher threw something that is no std::exception");
  }
  return false;
}

std::vector<Tensor> place(const RequestHeader& header, const RequestArgument* arguments, char* shared,
                          std::vector<void*>& pointers) {
  std::vector<Tensor> tensors;
  if (slots.size() < header.count) {
    slots.resize(header.count);
  }
  for (std::uint32_t i = 0; i < header.count; ++i) {
    const RequestArgument& argument = arguments[i];
    char* host = shared + argument.offset;
    if (argument.role == kScalar) {
      pointers.push_back(host);
      continue;
    }
    char* base = static_cast<char*>(slots[i].base(argument.bytes));
    tensors.push_back({&argument, static_cast<char*>(slots[i].memory()), base, host});
    pointers.push_back(base);
  }
  return tensors;
}

void collect_reports(Findings& findings) {
  for (std::size_t i = 0; i < upskill_report_count(); ++i) {
    findings.add_line(upskill_report(i));
  }
}

// What is looked at after a launch that went through.
void inspect(const std::vector<Tensor>& tensors, const std::vector<char>& pattern, Findings& findings) {
  for (const Tensor& tensor : tensors) {
    check_guards(tensor, pattern, findings);
    if (tensor.argument->role == kInput) {
      check_input(tensor, findings);
    } else if (tensor.bytes() > 0) {
      check(cudaMemcpy(tensor.host, tensor.base, tensor.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy");
    }
  }
}

// Returns whether the process can serve another call.
bool call(Entry entry, char* shared, const RequestHeader& header, const RequestArgument* arguments,
          Findings& findings) {
  if (stream == nullptr) {
    check(cudaStreamCreate(&stream), "cudaStreamCreate");
  }
  const std::vector<char> pattern = patterned(header.poison);
  std::vector<void*> pointers;
  const std::vector<Tensor> tensors = place(header, arguments, shared, pointers);
  for (const Tensor& tensor : tensors) {
    prepare(tensor, pattern);
    watch(tensor);
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize before the launch");
  upskill_clear_reports();
  upskill_configure(static_cast<int>(header.order), header.seed, static_cast<int>(header.checks));
  bool sound = launch(entry, static_cast<int>(header.instantiation), pointers.data(), findings);
  sound &= !launch_failed(cudaGetLastError(), "cudaGetLastError after the launch", findings);
  sound = sound && !launch_failed(cudaDeviceSynchronize(), "cudaDeviceSynchronize after the launch", findings);
  collect_reports(findings);
  upskill_unwatch_all();
  if (sound) {
    inspect(tensors, pattern, findings);
  }
  std::fflush(nullptr);
  return sound;
}

}  // namespace
}  // namespace upskill

extern "C" const char* upskill_call(upskill::Entry entry, void* shared, const void* request, std::size_t bytes) {
  using namespace upskill;
  static std::string answer;
  Findings findings;
  bool again = false;
  const auto* header = static_cast<const RequestHeader*>(request);
  const auto* arguments = reinterpret_cast<const RequestArgument*>(header + 1);
  if (bytes != sizeof(RequestHeader) + header->count * sizeof(RequestArgument)) {
    findings.add("runs", "protocol", "the request does not have the size that its header tells");
  } else {
    try {
      again = call(entry, static_cast<char*>(shared), *header, arguments, findings);
    } catch (const DeviceError& error) {
      const std::string text = std::string(cudaGetErrorString(error.code)) + " (" + error.during + ")";
      findings.add("runs", error.code == cudaErrorMemoryAllocation ? "memory-limit" : "launch-error", text);
    } catch (const std::bad_alloc&) {
      findings.add("runs", "memory-limit", "the process ran out of memory beside the kernel (std::bad_alloc)");
    }
  }
  answer = (again ? "ok\n" : "restart\n") + findings.take();
  return answer.c_str();
}
