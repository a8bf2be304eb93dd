// Installs the filter of system calls under which a kernel's own code runs, its constructors included.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <vector>

namespace {

std::vector<sock_filter> filter;
bool sealed = false;

}  // namespace

extern "C" {

// The filter that upskill_cpu_seal installs: instructions of the packet filter. Without a filter it does nothing.
void upskill_set_filter(const void* instructions, size_t bytes) {
  filter.resize(bytes / sizeof(sock_filter));
  std::memcpy(filter.data(), instructions, filter.size() * sizeof(sock_filter));
}

// Called while a kernel's library is loaded, before its constructors. It may be called again.
void upskill_cpu_seal() {
  if (sealed || filter.empty()) return;
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  sealed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

int upskill_is_sealed() { return sealed; }

}  // extern "C"
