// The interface between a driver and a device, beyond the CUDA runtime API.
//
// The cpu device implements it in native/cpu/src/device.cpp. None of these functions may be called while a kernel runs.
#ifndef UPSKILL_DEVICE_H
#define UPSKILL_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UPSKILL_READ_ONLY = 0, UPSKILL_READ_WRITE = 1 };

// Declares the exact extent of a tensor, which usually lies inside a larger allocation of cudaMalloc. From then on,
// accesses to the rest of that allocation (a guard band) are reported, and then performed. `name` is copied.
// `initialised` says whether the contents may be read before they are written.
void upskill_watch(const void* base, size_t bytes, const char* name, int access, int initialised);

// Forgets all extents; the allocations stay.
void upskill_unwatch_all(void);

// The device's findings since the last upskill_clear_reports: "assertion\tkind\tpc\tmessage". `assertion` is one of
// runs, memory, inputs, deterministic. `pc` is hexadecimal ("0x1a2b"), an offset into the student's library for
// addr2line -i, or "0" where there is no line; a code address within the message is written "<0x1a2b>". The text is
// valid until the next launch or clear.
size_t upskill_report_count(void);
const char* upskill_report(size_t index);

// Launch statistics since the last upskill_clear_reports: the number of kernels launched, and the bytes of device
// memory copied to the host. A launcher that computes everything in its own kernels copies none.
size_t upskill_launches(void);
size_t upskill_copied_back(void);

// The launcher's allocations of device memory that are not freed: their number and bytes, and the place of the last one
// (an offset into the student's library, 0 if unknown). The device may not know: then all are 0.
struct KeptOnDevice {
  size_t allocations;
  size_t bytes;
  uintptr_t pc;
};
void upskill_kept_on_device(struct KeptOnDevice* kept);

// The place that allocated the most host memory which is not freed; 0 if unknown.
uintptr_t upskill_kept_on_host(void);

// The launcher runs, or, with nullptr, has returned. Meanwhile host code cannot access device memory nor its library's
// device variables, as on a GPU. An access from code without checks (assembly, uninstrumented objects) raises a fault.
void upskill_launcher_runs(const void* launcher);

// Clears reports, launch statistics and the error that a faulting kernel left, so that the next call starts from a
// clean state.
void upskill_clear_reports(void);

// The cpu device only: what a build with coverage executed since the last upskill_clear_reports; empty for other
// builds. Places are separated by spaces, each a hexadecimal offset into the student's library, inside the call
// instruction. A comparison of integers has a pair of operands for each of the relations (less, equal, greater) that
// were met, the nearest ones: "1a2b:10:20:20:20". The text is valid until the next call of this function.
const char* upskill_coverage(void);
void upskill_clear_coverage(void);

// The cpu device only: stops a kernel that still runs after `seconds`, with a report of kind "timeout" and its line; 0
// disables the limit. It raises SIGALRM. Host code is not stopped.
void upskill_limit_time(double seconds);

// The cpu device only: kernels must be launched while `current` gives this device's number, because the tensors are
// there; nullptr: on any.
void upskill_expect_device(int device, int (*current)(void));

// The cpu device only: kernels must not be launched on a default stream, because PyTorch's current stream is another.
void upskill_refuse_default_streams(int yes);

// The cpu device only: whether the allocation at an address holds values that kernels have written. cudaMemcpy passes
// this on; who copies or fills in other ways says what is so then.
int upskill_is_written(const void* address);
void upskill_note_written(const void* address, int yes);

// `order` of blocks, warps and lanes: 0 forward, 1 reverse, 2 random (from `seed`). `checks` is a bit mask.
enum { UPSKILL_ORDER_FORWARD = 0, UPSKILL_ORDER_REVERSE = 1, UPSKILL_ORDER_RANDOM = 2 };
// UPSKILL_CHECK_RACES also finds reads of uninitialised memory; it requires UPSKILL_CHECK_MEMORY.
enum { UPSKILL_CHECK_MEMORY = 1, UPSKILL_POISON_SHARED = 2, UPSKILL_CHECK_RACES = 4, UPSKILL_CHECK_ALL = 7 };
void upskill_configure(int order, uint64_t seed, int checks);

// The number of threads of the process; 0 where the device starts threads of its own, so that the number is
// meaningless.
int upskill_host_threads(void);

#ifdef __cplusplus
}
#endif

#endif  // UPSKILL_DEVICE_H
