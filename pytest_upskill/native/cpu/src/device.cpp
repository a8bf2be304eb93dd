// The cpu device's implementation of device.h, and of a kernel's assert and __trap.
#include "../../device.h"

#include <dirent.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "block.h"
#include "faults.h"
#include "launch_state.h"
#include "launch_statistics.h"
#include "memory.h"
#include "module.h"
#include "report.h"
#include "upskill_cpu/device_assert.h"

using namespace upskill::cpu;

extern "C" {

void upskill_watch(const void* base, size_t bytes, const char* name, int access, int initialised) {
  watch(base, bytes, name, access == UPSKILL_READ_WRITE, initialised != 0);
}

void upskill_unwatch_all() { unwatch_all(); }

void upskill_launcher_runs(const void* launcher) {
  if (launcher != nullptr) {
    module_of(launcher);
    watch_faults();
  }
  put_out_of_reach(launcher != nullptr);
  note_host_allocations(launcher != nullptr);
}

size_t upskill_report_count() {
  report_leaks();
  return report_count();
}
const char* upskill_report(size_t index) { return report_text(index); }

size_t upskill_launches() { return launch_statistics.launches; }
size_t upskill_copied_back() { return launch_statistics.copied_back; }

void upskill_clear_reports() {
  clear_reports();
  clear_errors();
  launch_statistics = {};
  upskill_clear_coverage();
  begin_call();
}

void upskill_configure(int order, uint64_t seed, int checks) {
  configuration.order = static_cast<Order>(order);
  configuration.seed = seed != 0 ? seed : 1;  // xorshift stays at 0 for ever
  configuration.check_memory = (checks & UPSKILL_CHECK_MEMORY) != 0;
  configuration.check_races = (checks & UPSKILL_CHECK_RACES) != 0;
  forget_spans();
  configuration.poison_shared = (checks & UPSKILL_POISON_SHARED) != 0;
}

void upskill_kept_on_device(KeptOnDevice* kept) { *kept = kept_allocations(); }

int upskill_is_written(const void* address) { return is_written(reinterpret_cast<uintptr_t>(address)); }
void upskill_note_written(const void* address, int yes) {
  note_written(reinterpret_cast<uintptr_t>(address), yes != 0);
}

int upskill_host_threads() {
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

void upskill_cpu_assert_fail(const char* expression, const char* file, unsigned int line,
                             const char* function) noexcept {
  if (in_kernel)
    abort_launch(cudaErrorAssert, Assertion::runs, "device-assert",
                 reinterpret_cast<uintptr_t>(__builtin_return_address(0)),
                 format("assertion `%s` failed at %s:%u,%s", expression, file, line, where().c_str()));
  std::fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, expression);
  std::abort();
}

void upskill_cpu_trap() {
  if (in_kernel)
    abort_launch(cudaErrorLaunchFailure, Assertion::runs, "trap",
                 reinterpret_cast<uintptr_t>(__builtin_return_address(0)),
                 format("__trap() was called,%s", where().c_str()));
  std::abort();
}

// Nothing can be said of a call with a report of kind "needs-gpu". PTX in host code is not a feature of a GPU.
void upskill_cpu_needs_gpu(const char* feature, bool ptx) {
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  if (in_kernel) abort_launch(cudaErrorNotSupported, Assertion::runs, "needs-gpu", pc, feature);
  if (ptx)
    report(Assertion::runs, "host-assembly", pc, format("host code has inline PTX: %s; write it in a kernel", feature));
  else
    report(Assertion::runs, "needs-gpu", pc, feature);
  if (std::getenv("UPSKILL_REPORT_FILE") == nullptr) throw std::runtime_error("it cannot go on without a GPU");
  std::fflush(nullptr);
  std::_Exit(1);
}

}  // extern "C"
