// The driver: ordinary CUDA runtime code that calls a kernel's entry with tensors in guarded device memory.
//
// It is a separate object, so that no macro of the student's source reaches it. It uses only the CUDA runtime API and
// device.h, so the same code runs on the cpu device and on a GPU. In each call, every tensor has an allocation of its
// own between two guard bands, at an address that is aligned to 16 bytes and not to more. Inputs are copied in, outputs
// are filled with poison. After the launch and a device-wide synchronise, guards and inputs are compared with their
// earlier contents, and outputs are copied out. Device memory is kept between calls, so that addresses repeat.
#include "driver.h"

#include "device.h"
#include "driver_findings.h"
#include "kept_memory.h"
#include "launcher_view.h"
#include "returned_outputs.h"
#include "slot.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <new>
#include <string>
#include <typeinfo>
#include <vector>

namespace upskill {
namespace {

constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kChunk = 1 << 16;
constexpr int kPatience = 200;  // checks, a quarter of a millisecond apart, for joined threads to disappear

struct Tensor {
  const RequestArgument* argument;
  std::size_t guard;  // bytes of the band behind it
  char* front;        // start of the guard before it
  char* base;
  char* host;

  std::size_t bytes() const { return argument->bytes; }
  std::size_t front_bytes() const { return static_cast<std::size_t>(base - front); }
};

std::vector<Slot> slots;
cudaStream_t stream = nullptr;
KeptMemory kept;

// A host buffer full of the two-byte pattern. Both bytes of any pattern in use make every floating dtype a NaN.
std::vector<char> patterned(std::uint32_t pattern) {
  std::vector<char> chunk(kChunk);
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    chunk[i] = static_cast<char>(pattern >> (i % 2 * 8));
  }
  return chunk;
}

// The first chunk is copied from the host; the rest is copied on the device, doubling each time, because each copy has
// a fixed cost.
void fill(char* device, std::size_t bytes, const std::vector<char>& pattern) {
  std::size_t done = std::min(kChunk, bytes);
  if (done > 0) {
    check(cudaMemcpy(device, pattern.data(), done, cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  while (done < bytes) {
    const std::size_t part = std::min(done, bytes - done);
    check(cudaMemcpy(device + done, device, part, cudaMemcpyDeviceToDevice), "cudaMemcpy");
    done += part;
  }
}

void prepare(const Tensor& tensor, const std::vector<char>& pattern) {
  fill(tensor.front, tensor.front_bytes(), pattern);
  fill(tensor.base + tensor.bytes(), tensor.guard, pattern);
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

// How many bytes of `device` differ from `expected`, and the first and last of them.
struct Difference {
  std::size_t count = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

Difference compare(const char* device, const char* expected, std::size_t bytes) {
  static std::vector<char> copy(kCompared);
  Difference found;
  for (std::size_t done = 0; done < bytes; done += kCompared) {
    const std::size_t part = std::min(kCompared, bytes - done);
    check(cudaMemcpy(copy.data(), device + done, part, cudaMemcpyDeviceToHost), "cudaMemcpy");
    const char* want = expected + done;
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
  const Difference before = compare(tensor.front, pattern.data(), tensor.front_bytes());
  if (before.count > 0) {
    const std::size_t distance = tensor.front_bytes() - 1 - before.last;
    findings.add("memory", "guard",
                 std::to_string(before.count) + " bytes before the start of " + quoted(tensor) +
                     " were overwritten, the nearest " + elements(tensor, distance) + " element(s) before it");
  }
  const Difference after = compare(tensor.base + tensor.bytes(), pattern.data(), tensor.guard);
  if (after.count > 0) {
    findings.add("memory", "guard",
                 std::to_string(after.count) + " bytes after the end of " + quoted(tensor) +
                     " were overwritten, the nearest " + elements(tensor, after.first) + " element(s) after it");
  }
}

void check_input(const Tensor& tensor, Findings& findings) {
  const Difference changed = compare(tensor.base, tensor.host, tensor.bytes());
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

// Calls the student's launcher; any exception it throws is a finding.
bool enter(Entry entry, int instantiation, void* const* arguments, Findings& findings) {
  try {
    entry(instantiation, arguments, stream);
    return true;
  } catch (const std::bad_alloc&) {
    findings.add("runs", "memory-limit", "the launcher ran out of host memory (std::bad_alloc)");
  } catch (const std::exception& error) {
    findings.add("runs", "crash", std::string("the launcher threw an exception: ") + error.what());
  } catch (...) {
    findings.add("runs", "crash", "the launcher threw something that is not a std::exception");
  }
  return false;
}

bool launch(Entry entry, char* shared, const RequestHeader& header, const RequestArgument* arguments,
            void* const* pointers, Findings& findings) {
  std::size_t used = 0;
  for (std::uint32_t i = 0; i < header.count; ++i) {
    used = std::max<std::size_t>(used, arguments[i].offset + arguments[i].bytes);
  }
  const Hidden inputs(shared, used);
  kept.before_launch();
  upskill_launcher_runs(reinterpret_cast<const void*>(entry));
  const bool sound = enter(entry, static_cast<int>(header.instantiation), pointers, findings);
  upskill_launcher_runs(nullptr);
  kept.after_launch();
  return sound;
}

std::vector<Tensor> place(const RequestHeader& header, const RequestArgument* arguments, char* shared, Scalars& scalars,
                          std::vector<void*>& pointers) {
  const std::size_t guard = (header.checks & kTight) != 0 ? 0 : kGuardBytes;
  std::vector<Tensor> tensors;
  if (slots.size() < header.count) {
    slots.resize(header.count);
  }
  for (std::uint32_t i = 0; i < header.count; ++i) {
    const RequestArgument& argument = arguments[i];
    char* host = shared + argument.offset;
    if (argument.role == kScalar) {
      pointers.push_back(scalars.add(host, argument.bytes));
      continue;
    }
    char* base = static_cast<char*>(slots[i].base(argument.bytes, guard));
    tensors.push_back({&argument, guard, static_cast<char*>(slots[i].memory()), base, host});
    pointers.push_back(base);
  }
  return tensors;
}

void collect_reports(Findings& findings) {
  for (std::size_t i = 0; i < upskill_report_count(); ++i) {
    findings.add_line(upskill_report(i));
  }
}

// The checks after a launch that succeeded.
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

ReturnedOutputs returned;

void remember(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) {
    if (tensor.argument->role != kInput) {
      returned.remember(quoted(tensor), tensor.base, tensor.host, tensor.bytes());
    }
  }
}

void late_write(const std::string& name, const char* when, Findings& findings) {
  findings.add(
      "runs", "late-write",
      name + " changed after " + when + ": something that the launcher started goes on working after the call");
}

void inspect_returned(Findings& findings) {
  for (const std::string& name : returned.take_changed()) {
    late_write(name, "the call before this one had returned", findings);
  }
}

// Whether host threads that the launcher started outlive it. A joined thread may stay visible for a moment.
bool threads_remain(Findings& findings) {
  int threads = upskill_host_threads();
  for (int look = 0; threads > 1 && look < kPatience; ++look) {
    const timespec pause = {0, 250000};
    nanosleep(&pause, nullptr);
    threads = upskill_host_threads();
  }
  if (threads <= 1) {
    return false;
  }
  findings.add(
      "runs", "host-thread",
      "the launcher returned, and " + std::to_string(threads - 1) +
          " host thread(s) of its own are still there: when it returns, all work must be done or on the stream");
  return true;
}

// Checks the outputs a second time: after the synchronisation nothing may write to them.
void inspect_again(const std::vector<Tensor>& tensors, Findings& findings) {
  for (const Tensor& tensor : tensors) {
    if (tensor.argument->role == kInput || compare(tensor.base, tensor.host, tensor.bytes()).count == 0) {
      continue;
    }
    late_write(quoted(tensor), "the device had been synchronised", findings);
  }
}

std::size_t free_memory() {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

std::size_t above(std::size_t more, std::size_t less) { return more > less ? more - less : 0; }

// The result of a call: whether the process can serve another call, whether the kernel was reached at all, the most
// device memory in use since the process began, the number of kernels launched, and the bytes of device memory that the
// launcher copied to the host.
struct Course {
  bool sound = false;
  bool launched = false;
  std::size_t memory = 0;
  std::size_t launches = 0;
  std::size_t copied_back = 0;
};

// `before` is the number of free bytes before the launch, `least` the smallest number after it.
void check_memory(const RequestHeader& header, std::size_t before, std::size_t least, Findings& findings) {
  const std::size_t taken = above(before, least) >> 20;
  if (header.scratch_mib != 0 && taken > header.scratch_mib) {
    findings.add("runs", "memory-limit",
                 "the launcher took " + std::to_string(taken) + " MiB of device memory beside its tensors, more than " +
                     "the limit of " + std::to_string(header.scratch_mib) + " MiB");
  }
}

void call(Entry entry, char* shared, const RequestHeader& header, const RequestArgument* arguments, Findings& findings,
          Course& course) {
  static const std::size_t at_first = free_memory();
  if (stream == nullptr) {
    check(cudaStreamCreate(&stream), "cudaStreamCreate");
  }
  inspect_returned(findings);
  const std::vector<char> pattern = patterned(header.poison);
  Scalars scalars(header.count);
  std::vector<void*> pointers;
  const std::vector<Tensor> tensors = place(header, arguments, shared, scalars, pointers);
  for (const Tensor& tensor : tensors) {
    prepare(tensor, pattern);
    watch(tensor);
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize before the launch");
  upskill_clear_reports();
  upskill_configure(static_cast<int>(header.order), header.seed, static_cast<int>(header.checks & ~kTight));
  const std::size_t before = free_memory();
  course.launched = true;
  bool sound = launch(entry, shared, header, arguments, pointers.data(), findings);
  course.launches = upskill_launches();
  course.copied_back = upskill_copied_back();
  sound &= !launch_failed(cudaGetLastError(), "cudaGetLastError after the launch", findings);
  // Before the synchronisation, memory passed to cudaFreeAsync is still allocated.
  std::size_t least = sound ? free_memory() : before;
  sound = sound && !launch_failed(cudaDeviceSynchronize(), "cudaDeviceSynchronize after the launch", findings);
  collect_reports(findings);
  upskill_unwatch_all();
  if (sound) {
    least = std::min(least, free_memory());
    check_memory(header, before, least, findings);
    inspect(tensors, pattern, findings);
    inspect_again(tensors, findings);
    remember(tensors);
    sound = !threads_remain(findings);
    course.memory = above(at_first, least);
  }
  std::fflush(nullptr);
  course.sound = sound;
}

}  // namespace
}  // namespace upskill

extern "C" const char* upskill_call(upskill::Entry entry, void* shared, const void* request, std::size_t bytes) {
  using namespace upskill;
  static std::string answer;
  Findings findings;
  Course course;
  const auto* header = static_cast<const RequestHeader*>(request);
  const auto* arguments = reinterpret_cast<const RequestArgument*>(header + 1);
  if (bytes != sizeof(RequestHeader) + header->count * sizeof(RequestArgument)) {
    findings.add("runs", "protocol", "the request does not have the size that its header tells");
  } else {
    try {
      call(entry, static_cast<char*>(shared), *header, arguments, findings, course);
    } catch (const DeviceError& error) {
      const std::string text = std::string(cudaGetErrorString(error.code)) + " (" + error.during + ")";
      findings.add("runs", error.code == cudaErrorMemoryAllocation ? "memory-limit" : "launch-error", text);
    } catch (const std::bad_alloc&) {
      findings.add("runs", "memory-limit", "the process ran out of memory beside the kernel (std::bad_alloc)");
    }
  }
  const std::string status = course.sound ? "ok" : course.launched ? "restart" : "device";
  answer = status;
  for (const std::size_t number : {course.memory, course.launches, course.copied_back}) {
    answer += ' ' + std::to_string(number);
  }
  answer += '\n' + findings.take() + kept.lines();
  if (const std::string covered = upskill_coverage(); !covered.empty()) {
    answer += "coverage\t" + covered + '\n';
  }
  return answer.c_str();
}
