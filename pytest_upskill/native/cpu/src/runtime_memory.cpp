// The runtime API's allocations and copies, with a GPU's rules about which pointers belong to the device.
#include <algorithm>
#include <cstring>

#include "host_pointers.h"
#include "launch_state.h"
#include "launch_statistics.h"
#include "memory.h"
#include "module.h"
#include "report.h"
#include "upskill_cpu/runtime_api.h"

using namespace upskill::cpu;

namespace {

cudaError_t allocate_into(void** pointer, size_t bytes, AllocationKind kind, uintptr_t pc) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (pointer == nullptr) return fail(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate(bytes, kind, pc);
  return *pointer != nullptr ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t release_pointer(void* pointer, uintptr_t pc) {
  const DeviceLock lock;
  if (pointer == nullptr || deallocate(pointer, pc)) return sticky_error();
  const std::string freed = describe_freed(reinterpret_cast<uintptr_t>(pointer));
  report(Assertion::memory, freed.empty() ? "invalid-free" : "double-free", pc,
         freed.empty() ? "cudaFree of a pointer that no allocation of the device begins at" : "cudaFree of " + freed);
  return sticky_error() != cudaSuccess ? sticky_error() : fail(cudaErrorInvalidValue);
}

// What a copy may take an address for. Pinned and managed memory is both; a variable's name gives neither.
bool is_device(const void* pointer) {
  const Allocation* allocation = allocation_at(reinterpret_cast<uintptr_t>(pointer));
  return allocation != nullptr ? allocation->kind == AllocationKind::device
                               : is_symbol(reinterpret_cast<uintptr_t>(pointer));
}

bool reaches_device(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return allocation_at(address) != nullptr || is_symbol(address);
}

bool is_host(const void* pointer) { return !is_device(pointer); }

// Whether all of the bytes lie in the allocation that holds the first one. Host memory and variables are not covered.
bool fits(const void* pointer, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const Allocation* allocation = allocation_at(address);
  return allocation == nullptr || bytes <= allocation->begin + allocation->bytes - address;
}

bool kind_matches(const void* target, const void* source, cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return is_host(target) && is_host(source);
    case cudaMemcpyHostToDevice:
      return is_host(source) && reaches_device(target);
    case cudaMemcpyDeviceToHost:
      return reaches_device(source) && is_host(target);
    case cudaMemcpyDeviceToDevice:
      return reaches_device(source) && reaches_device(target);
    default:
      return true;
  }
}

const char* name_of(cudaMemcpyKind kind) {
  constexpr const char* names[] = {"HostToHost", "HostToDevice", "DeviceToHost", "DeviceToDevice", "Default"};
  return kind >= 0 && kind < 5 ? names[kind] : "an unknown kind";
}

// A pointer that the call cannot use: a GPU refuses it, and goes on without the copy.
cudaError_t misuse(cudaError_t error, uintptr_t pc, const std::string& message) {
  module_of(reinterpret_cast<const void*>(pc));
  report(Assertion::memory, "host-pointer", pc, message);
  return fail(error);
}

cudaError_t refuse_name(const char* call, const std::string& named, uintptr_t pc) {
  return misuse(cudaErrorInvalidValue, pc,
                format("%s gets %s by its name, which for host code is not device memory; use cudaGetSymbolAddress, "
                       "cudaMemcpyToSymbol or cudaMemcpyFromSymbol",
                       call, named.c_str()));
}

const char* side(const void* pointer) { return reaches_device(pointer) ? "device" : "host"; }

// Whether the pointers are what the kind says; reports it if not.
cudaError_t check_ends(const void* target, const void* source, cudaMemcpyKind kind, uintptr_t pc) {
  for (const void* end : {target, source})
    if (const std::string named = describe_named(reinterpret_cast<uintptr_t>(end)); !named.empty())
      return refuse_name("cudaMemcpy", named, pc);
  if (kind_matches(target, source, kind)) return cudaSuccess;
  return misuse(cudaErrorInvalidValue, pc,
                format("a copy from %s memory to %s memory has the kind cudaMemcpy%s, and a GPU refuses it",
                       side(source), side(target), name_of(kind)));
}

// A copy that starts inside a tensor and runs past its end. Copies that start outside are the driver's own.
void check_extent(const void* pointer, size_t bytes, const char* what, uintptr_t pc) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const Span* span = watched_at(address);
  if (span == nullptr || span->holds(address, bytes)) return;
  report(Assertion::memory, "out-of-bounds", pc,
         format("%s of %zu bytes runs over the end of %s, which has %zu bytes", what, bytes, span->name.c_str(),
                span->bytes));
}

// The driver's own copies hold no pointers.
void check_words(const void* source, size_t bytes, uintptr_t pc) {
  if (offset_in_module(pc) != 0) check_copied(source, bytes, pc);
}

cudaError_t copy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, uintptr_t pc) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (bytes == 0) return cudaSuccess;
  if (target == nullptr || source == nullptr) return fail(cudaErrorInvalidValue);
  if (const cudaError_t error = check_ends(target, source, kind, pc)) return error;
  if (!fits(target, bytes) || !fits(source, bytes)) return fail(cudaErrorInvalidValue);
  check_extent(source, bytes, "cudaMemcpy from device memory", pc);
  check_extent(target, bytes, "cudaMemcpy to device memory", pc);
  const Reach reach;
  if (is_device(source) && is_host(target)) launch_statistics.copied_back += bytes;
  if (is_host(source) && reaches_device(target)) check_words(source, bytes, pc);
  std::memmove(target, source, bytes);
  if (is_device(target)) note_filled(reinterpret_cast<uintptr_t>(target), bytes, reinterpret_cast<uintptr_t>(source));
  return cudaSuccess;
}

cudaError_t copy_rows(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                      size_t height, cudaMemcpyKind kind, uintptr_t pc) {
  if (width > target_pitch || width > source_pitch) return fail(cudaErrorInvalidPitchValue);
  for (size_t row = 0; row < height; ++row) {
    const cudaError_t error = copy(static_cast<char*>(target) + row * target_pitch,
                                   static_cast<const char*>(source) + row * source_pitch, width, kind, pc);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t set(void* target, int value, size_t bytes, uintptr_t pc) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (bytes == 0) return cudaSuccess;
  if (target == nullptr) return fail(cudaErrorInvalidValue);
  if (const std::string named = describe_named(reinterpret_cast<uintptr_t>(target)); !named.empty())
    return refuse_name("cudaMemset", named, pc);
  if (!reaches_device(target))
    return misuse(cudaErrorInvalidValue, pc, "cudaMemset of the host's memory, which a GPU refuses; use memset");
  if (!fits(target, bytes)) return fail(cudaErrorInvalidValue);
  check_extent(target, bytes, "cudaMemset", pc);
  const Reach reach;
  std::memset(target, value, bytes);
  if (is_device(target)) note_filled(reinterpret_cast<uintptr_t>(target), bytes, 0);
  return cudaSuccess;
}

cudaError_t set_rows(void* target, size_t pitch, int value, size_t width, size_t height, uintptr_t pc) {
  if (width > pitch) return fail(cudaErrorInvalidPitchValue);
  for (size_t row = 0; row < height; ++row) {
    const cudaError_t error = set(static_cast<char*>(target) + row * pitch, value, width, pc);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

// Whether it is a variable of the device; where the compiler does not tell, any is.
cudaError_t check_symbol(const void* symbol, uintptr_t pc) {
  const Module& module = module_of(reinterpret_cast<const void*>(pc));
  const auto address = reinterpret_cast<uintptr_t>(symbol);
  const Variable* host = host_variable_at(address);
  const bool managed = std::any_of(module.segments.begin(), module.segments.end(), [=](const Segment& segment) {
    return segment.writable && address - segment.begin < segment.bytes;
  });
  if (module.variables.device.empty() || managed) return cudaSuccess;
  const std::string name = host != nullptr ? " '" + readable_variable(host->name.c_str()) + "'" : "";
  return misuse(cudaErrorInvalidSymbol, pc,
                format("the symbol is the host's variable%s; declare it __device__ or __constant__", name.c_str()));
}

// `other` is the end of the copy that is not the symbol.
cudaError_t check_symbol_copy(const char* call, const void* symbol, const void* other, bool direction,
                              cudaMemcpyKind kind, uintptr_t pc) {
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (const cudaError_t error = check_symbol(symbol, pc)) return error;
  if (!direction)
    return misuse(cudaErrorInvalidMemcpyDirection, pc,
                  format("%s with the kind cudaMemcpy%s: the copy goes the other way, and a GPU refuses it", call,
                         name_of(kind)));
  if (const std::string named = describe_named(reinterpret_cast<uintptr_t>(other)); !named.empty())
    return refuse_name(call, named, pc);
  const bool needs_device = kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault || (needs_device ? reaches_device(other) : is_host(other))) return cudaSuccess;
  return misuse(cudaErrorInvalidValue, pc,
                format("%s with the kind cudaMemcpy%s and a pointer to %s memory, which a GPU refuses", call,
                       name_of(kind), side(other)));
}

cudaError_t copy_symbol(void* target, const void* source, const void* other, size_t bytes, size_t offset, size_t size) {
  if (offset > size || bytes > size - offset || !fits(other, bytes)) return fail(cudaErrorInvalidValue);
  const Reach reach;
  std::memmove(target, source, bytes);
  return cudaSuccess;
}

}  // namespace

#define PC reinterpret_cast<uintptr_t>(__builtin_return_address(0))

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return allocate_into(pointer, bytes, AllocationKind::device, PC);
}
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) {
  return allocate_into(pointer, bytes, AllocationKind::device, PC);
}
cudaError_t cudaMallocManaged(void** pointer, size_t bytes, unsigned int) {
  return allocate_into(pointer, bytes, AllocationKind::managed, PC);
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes, unsigned int) {
  return allocate_into(pointer, bytes, AllocationKind::host, PC);
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
  return allocate_into(pointer, bytes, AllocationKind::host, PC);
}
cudaError_t cudaFree(void* pointer) { return release_pointer(pointer, PC); }
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return release_pointer(pointer, PC); }
cudaError_t cudaFreeHost(void* pointer) { return release_pointer(pointer, PC); }

cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  constexpr size_t granularity = 512;
  *pitch = (width + granularity - 1) / granularity * granularity;
  return allocate_into(pointer, *pitch * height, AllocationKind::device, PC);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const DeviceLock lock;
  *total = device_bytes;
  *free = device_bytes - allocated_bytes();
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const DeviceLock lock;
  const Allocation* allocation = allocation_at(reinterpret_cast<uintptr_t>(pointer));
  void* plain = const_cast<void*>(pointer);
  *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, plain};
  if (allocation == nullptr) return cudaSuccess;
  constexpr cudaMemoryType types[] = {cudaMemoryTypeDevice, cudaMemoryTypeManaged, cudaMemoryTypeHost,
                                      cudaMemoryTypeDevice, cudaMemoryTypeHost};
  *attributes = {types[static_cast<int>(allocation->kind)], 0, plain,
                 allocation->kind == AllocationKind::device ? nullptr : plain};
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  return copy(target, source, bytes, kind, PC);
}
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  return copy(target, source, bytes, kind, PC);
}
cudaError_t cudaMemcpy2D(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
  return copy_rows(target, target_pitch, source, source_pitch, width, height, kind, PC);
}
cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t) {
  return copy_rows(target, target_pitch, source, source_pitch, width, height, kind, PC);
}
cudaError_t cudaMemset(void* target, int value, size_t bytes) { return set(target, value, bytes, PC); }
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t) {
  return set(target, value, bytes, PC);
}
cudaError_t cudaMemset2D(void* target, size_t pitch, int value, size_t width, size_t height) {
  return set_rows(target, pitch, value, width, height, PC);
}
cudaError_t cudaMemset2DAsync(void* target, size_t pitch, int value, size_t width, size_t height, cudaStream_t) {
  return set_rows(target, pitch, value, width, height, PC);
}

cudaError_t upskill_cpu_symbol_address(void** pointer, const void* symbol, size_t size) {
  const DeviceLock lock;
  if (const cudaError_t error = check_symbol(symbol, PC)) return error;
  note_symbol(reinterpret_cast<uintptr_t>(symbol), size);
  *pointer = const_cast<void*>(symbol);
  return cudaSuccess;
}

void upskill_cpu_mark_written(void* begin, size_t bytes) {
  const DeviceLock lock;
  if (is_device(begin)) mark_initialised(reinterpret_cast<uintptr_t>(begin), bytes);
}

cudaError_t upskill_cpu_copy_to_symbol(const void* symbol, size_t size, const void* source, size_t bytes, size_t offset,
                                       cudaMemcpyKind kind) {
  const DeviceLock lock;
  char* target = static_cast<char*>(const_cast<void*>(symbol)) + offset;
  const bool forward = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice || kind == cudaMemcpyDefault;
  if (const cudaError_t error = check_symbol_copy("cudaMemcpyToSymbol", symbol, source, forward, kind, PC))
    return error;
  if (is_host(source)) check_words(source, bytes, PC);
  return copy_symbol(target, source, source, bytes, offset, size);
}

cudaError_t upskill_cpu_copy_from_symbol(void* target, const void* symbol, size_t size, size_t bytes, size_t offset,
                                         cudaMemcpyKind kind) {
  const DeviceLock lock;
  const char* source = static_cast<const char*>(symbol) + offset;
  const bool back = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice || kind == cudaMemcpyDefault;
  if (const cudaError_t error = check_symbol_copy("cudaMemcpyFromSymbol", symbol, target, back, kind, PC)) return error;
  const cudaError_t error = copy_symbol(target, source, target, bytes, offset, size);
  if (error == cudaSuccess && is_device(target)) mark_initialised(reinterpret_cast<uintptr_t>(target), bytes);
  if (error == cudaSuccess && is_host(target)) launch_statistics.copied_back += bytes;
  return error;
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int) {
  const DeviceLock lock;
  if (pointer == nullptr || bytes == 0) return fail(cudaErrorInvalidValue);
  return register_host(pointer, bytes) ? sticky_error() : fail(cudaErrorHostMemoryAlreadyRegistered);
}
cudaError_t cudaHostUnregister(void* pointer) {
  const DeviceLock lock;
  return unregister_host(pointer) ? sticky_error() : fail(cudaErrorHostMemoryNotRegistered);
}
cudaError_t cudaHostGetDevicePointer(void** pointer, void* host, unsigned int) {
  const DeviceLock lock;
  if (allocation_at(reinterpret_cast<uintptr_t>(host)) == nullptr) return fail(cudaErrorInvalidValue);
  *pointer = host;
  return sticky_error();
}

cudaError_t cudaMemPrefetchAsync(const void*, size_t, int, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaMemAdvise(const void*, size_t, cudaMemoryAdvise, int) { return cudaSuccess; }

}  // extern "C"
