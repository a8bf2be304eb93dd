#include "host_threads.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "span_cache.h"

namespace upskill::cpu {

namespace {

// Never destroyed: threads that are still there when the program ends may hold it.
std::recursive_mutex& device_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

pthread_t kernel_thread;
std::atomic<bool> kernel_runs = false;

}  // namespace

constinit thread_local bool in_kernel = false;

DeviceLock::DeviceLock() { device_mutex().lock(); }
DeviceLock::DeviceLock(std::try_to_lock_t) : held_(device_mutex().try_lock()) {}
DeviceLock::~DeviceLock() {
  if (held_) device_mutex().unlock();
}

KernelThread::KernelThread() {
  kernel_thread = pthread_self();
  kernel_runs = in_kernel = true;
  last_spans = kernel_spans;
}
KernelThread::~KernelThread() {
  last_spans = no_spans;
  kernel_runs = in_kernel = false;
}

bool forward_to_kernel(int signal) {
  if (in_kernel || !kernel_runs) return false;
  pthread_kill(kernel_thread, signal);
  return true;
}
bool kernel_runs_anywhere() { return kernel_runs; }

}  // namespace upskill::cpu
