#include "host_threads.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>

namespace upskill::cpu {

namespace {

// A recursive lock that host threads get in the order in which they ask, so that one which launches kernels all the
// time does not keep the others out.
class FairLock {
 public:
  void lock() {
    if (is_mine()) return enter_again();
    std::unique_lock waiting(mutex_);
    const uint64_t turn = next_++;
    changed_.wait(waiting, [&] { return now_ == turn; });
    take();
  }
  bool try_lock() {
    if (is_mine()) return enter_again(), true;
    const std::lock_guard looking(mutex_);
    if (now_ != next_) return false;
    ++next_;
    take();
    return true;
  }
  void unlock() {
    if (--depth_ > 0) return;
    owner_ = nullptr;
    {
      const std::lock_guard leaving(mutex_);
      ++now_;
    }
    changed_.notify_all();
  }
  // Waits for its turn and keeps all others out for good. Gives up if a kernel does not end.
  void close() {
    if (is_mine()) return;
    constexpr auto patience = std::chrono::seconds(2);
    std::unique_lock waiting(mutex_);
    const uint64_t turn = next_++;
    changed_.wait_for(waiting, patience, [&] { return now_ == turn; });
  }

 private:
  static const void* self() {
    static thread_local const char place = 0;
    return &place;
  }
  bool is_mine() const { return owner_ == self(); }
  void enter_again() { ++depth_; }
  void take() {
    owner_ = self();
    depth_ = 1;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0, now_ = 0;  // turns
  std::atomic<const void*> owner_ = nullptr;
  int depth_ = 0;  // of the owner
};

// Never destroyed: threads that are still there when the program ends may hold it.
FairLock& device_lock() {
  static auto* const lock = new FairLock;
  return *lock;
}

pthread_t kernel_thread;
std::atomic<bool> kernel_runs = false;

}  // namespace

constinit thread_local bool in_kernel = false;

DeviceLock::DeviceLock() { device_lock().lock(); }
DeviceLock::DeviceLock(std::try_to_lock_t) : held_(device_lock().try_lock()) {}
DeviceLock::~DeviceLock() {
  if (held_) device_lock().unlock();
}

KernelThread::KernelThread() {
  // Host threads that still use the device when the program ends finish their kernel, and get no further.
  static const bool registered = std::atexit([] { device_lock().close(); }) == 0;
  (void)registered;
  kernel_thread = pthread_self();
  kernel_runs = in_kernel = true;
}
KernelThread::~KernelThread() { kernel_runs = in_kernel = false; }

bool forward_to_kernel(int signal) {
  if (in_kernel || !kernel_runs) return false;
  pthread_kill(kernel_thread, signal);
  return true;
}
bool kernel_runs_anywhere() { return kernel_runs; }

}  // namespace upskill::cpu
