// The interface between the worker and the driver: the layout of a request, and the function that performs a call.
//
// A request is a RequestHeader followed by `count` RequestArguments, in the order of the signature (without the
// stream). Offsets are relative to the shared memory that the parent filled: an input's or in-place tensor's bytes, an
// output's place, a scalar's value. Little-endian; all padding is explicit.
// output's place, a scalar's value. Little-endian, no padding that is not written out.
#ifndef UPSKILL_DRIVER_H
#define UPSKILL_DRIVER_H

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

namespace upskill {

// Tensors end where their allocations end, without guard bands, for tools that check allocations.
constexpr std::uint32_t kTight = 0x80000000;

enum Role : std::uint32_t { kInput = 0, kOutput = 1, kInplace = 2, kScalar = 3 };

struct RequestHeader {
  std::uint32_t instantiation;
  std::uint32_t count;
  std::uint32_t order;        // of threads: 0 forward, 1 reverse, 2 random; ignored on a GPU
  std::uint32_t checks;       // bit mask, as in device.h
  std::uint64_t seed;         // of the random order; never that of the inputs
  std::uint32_t poison;       // a pattern of two bytes, repeated
  std::uint32_t scratch_mib;  // device memory that a launcher may take beside its tensors, in MiB; 0 for any
};

struct RequestArgument {
  std::uint32_t role;
  std::uint32_t element_bytes;
  std::uint64_t offset;
  std::uint64_t bytes;
  char name[128];
};

using Entry = void (*)(int instantiation, void* const* arguments, cudaStream_t stream);

}  // namespace upskill

// Performs one call. Returns a word, the most device memory in use (bytes), the number of kernels the launcher
// launched, and the number of bytes it copied to the host, as in "ok 4096 1 0\n", followed by one line for each
// finding: "assertion\tkind\tpc\tmessage". The word is "ok", "restart" (the process must not be used again) or "device"
// (the process must not be used again either: the device could not be prepared, and the kernel was not reached). The
// text is valid until the next call.
extern "C" const char* upskill_call(upskill::Entry entry, void* shared, const void* request, std::size_t bytes);

#endif
