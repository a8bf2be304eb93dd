// Host threads: any of them may call the runtime API, and one at a time runs a kernel, as its lanes and as its blocks,
// while others run host code, which must not be taken for the kernel's.
#pragma once

#include <mutex>

namespace upskill::cpu {

// Held by each call of the runtime API that reads or changes the device's state, and for a whole launch. A kernel may
// call the API, so the same thread may take it again.
class DeviceLock {
 public:
  DeviceLock();
  explicit DeviceLock(std::try_to_lock_t);  // does not wait: see `held`
  ~DeviceLock();
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;
  bool held() const { return held_; }

 private:
  bool held_ = true;
};

// Whether this host thread runs a kernel now. In static thread-local storage, since every access asks for it.
#define UPSKILL_CPU_THREAD_WORD __attribute__((tls_model("initial-exec"), visibility("hidden")))
extern constinit thread_local bool in_kernel UPSKILL_CPU_THREAD_WORD;

// Marks this host thread as the one that runs a kernel.
class KernelThread {
 public:
  KernelThread();
  ~KernelThread();
  KernelThread(const KernelThread&) = delete;
  KernelThread& operator=(const KernelThread&) = delete;
};

// Passes a signal on to the thread that runs a kernel. Returns false if that is this thread, or none.
bool forward_to_kernel(int signal);
bool kernel_runs_anywhere();

}  // namespace upskill::cpu
