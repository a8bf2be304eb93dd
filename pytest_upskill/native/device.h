// What a driver tells the device, and asks of it, beyond the CUDA runtime API.
//
// The cpu device implements this in native/cpu/src/device.cpp. Nothing here may be called while a kernel runs.
#ifndef UPSKILL_DEVICE_H
#define UPSKILL_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UPSKILL_READ_ONLY = 0, UPSKILL_READ_WRITE = 1 };

// Names the exact extent of a tensor, which usually lies inside a larger allocation of cudaMalloc. From then on only
// the watched extents of that allocation may be touched: the rest of it is a guard band, where a wild access is
// reported and goes through. `name` is copied. `initialised` says whether the contents may be read before a write.
void upskill_watch(const void* base, size_t bytes, const char* name, int access, int initialised);

// Forgets all extents; the allocations stay.
void upskill_unwatch_all(void);

// What the device saw since the last upskill_clear_reports: "assertion\tkind\tpc\tmessage". `assertion` is one of
// runs, memory, inputs, deterministic. `pc` is hexadecimal ("0x1a2b"), an offset into the student's library for
// addr2line -i, or "0" where no line is to blame; a place within the message is written "<0x1a2b>". The text lives
// until the next launch or clear.
size_t upskill_report_count(void);
const char* upskill_report(size_t index);

// What the launcher did since the last upskill_clear_reports: how many kernels it launched, and how many bytes of
// device memory it copied to the host. A launcher that does its work in kernels of its own copies none.
size_t upskill_launches(void);
size_t upskill_copied_back(void);

// Whether the launcher runs: until it is back, device memory is out of the host code's reach, as on a GPU. Code that
// the reports do not cover (assembly, what is compiled without checks) meets an illegal address.
void upskill_launcher_runs(int yes);

// Forgets the reports and what the launcher did, and the error that a faulting kernel left behind, so that the next
// call starts afresh.
void upskill_clear_reports(void);

// The cpu device alone: a kernel that runs `seconds` from now is stopped, with a report of kind "timeout" and its line;
// 0 ends that. It raises SIGALRM. Host code is not stopped.
void upskill_limit_time(double seconds);

// `order` of blocks, warps and lanes: 0 forward, 1 reverse, 2 random (from `seed`). `checks` is a bit mask.
enum { UPSKILL_ORDER_FORWARD = 0, UPSKILL_ORDER_REVERSE = 1, UPSKILL_ORDER_RANDOM = 2 };
// UPSKILL_CHECK_RACES also finds reads of what nothing has written; it needs UPSKILL_CHECK_MEMORY.
enum { UPSKILL_CHECK_MEMORY = 1, UPSKILL_POISON_SHARED = 2, UPSKILL_CHECK_RACES = 4, UPSKILL_CHECK_ALL = 7 };
void upskill_configure(int order, uint64_t seed, int checks);

// How many threads the process has; 0 where the device starts threads of its own, so that a number says nothing.
int upskill_host_threads(void);

#ifdef __cplusplus
}
#endif

#endif  // UPSKILL_DEVICE_H
