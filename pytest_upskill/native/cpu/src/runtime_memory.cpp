// The runtime API's allocations and copies, with a GPU's rules about which pointers belong to the device.
#include <cstring>
#include <iterator>
#include <map>

#include "launch_state.h"
#include "launch_statistics.h"
#include "memory.h"
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

// Device variables whose addresses the host asked for: their ends by their begins.
std::map<uintptr_t, uintptr_t> symbols;

bool is_symbol(const void* pointer) {
  const auto after = symbols.upper_bound(reinterpret_cast<uintptr_t>(pointer));
  return after != symbols.begin() && reinterpret_cast<uintptr_t>(pointer) < std::prev(after)->second;
}

bool is_device(const void* pointer) {
  const Allocation* allocation = allocation_at(reinterpret_cast<uintptr_t>(pointer));
  return allocation != nullptr ? allocation->kind == AllocationKind::device : is_symbol(pointer);
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
      return is_host(source) && !is_host(target);
    case cudaMemcpyDeviceToHost:
      return !is_host(source) && is_host(target);
    case cudaMemcpyDeviceToDevice:
      return true;
    default:
      return true;
  }
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

cudaError_t copy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, uintptr_t pc) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (bytes == 0) return cudaSuccess;
  if (target == nullptr || source == nullptr || !kind_matches(target, source, kind) || !fits(target, bytes) ||
      !fits(source, bytes))
    return fail(cudaErrorInvalidValue);
  check_extent(source, bytes, "cudaMemcpy from device memory", pc);
  check_extent(target, bytes, "cudaMemcpy to device memory", pc);
  const Reach reach;
  if (is_device(source) && is_host(target)) launch_statistics.copied_back += bytes;
  std::memmove(target, source, bytes);
  if (is_device(target)) mark_initialised(reinterpret_cast<uintptr_t>(target), bytes);
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
  // Variables of a module have no allocation; a pointer to them comes from cudaGetSymbolAddress.
  if (target == nullptr || !fits(target, bytes)) return fail(cudaErrorInvalidValue);
  check_extent(target, bytes, "cudaMemset", pc);
  const Reach reach;
  std::memset(target, value, bytes);
  if (is_device(target)) mark_initialised(reinterpret_cast<uintptr_t>(target), bytes);
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
                                      cudaMemoryTypeDevice};
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

cudaError_t upskill_cpu_copy_symbol(void* target, const void* source, size_t bytes, size_t offset, size_t size) {
  const DeviceLock lock;
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (offset > size || bytes > size - offset || !fits(target, bytes) || !fits(source, bytes))
    return fail(cudaErrorInvalidValue);
  const Reach reach;
  std::memmove(target, source, bytes);
  if (is_device(target)) mark_initialised(reinterpret_cast<uintptr_t>(target), bytes);
  return cudaSuccess;
}

void upskill_cpu_mark_written(void* begin, size_t bytes) {
  const DeviceLock lock;
  if (is_device(begin)) mark_initialised(reinterpret_cast<uintptr_t>(begin), bytes);
}

cudaError_t upskill_cpu_copy_from_symbol(void* target, const void* source, size_t bytes, size_t offset, size_t size) {
  const DeviceLock lock;
  const cudaError_t error = upskill_cpu_copy_symbol(target, source, bytes, offset, size);
  if (error == cudaSuccess && is_host(target)) launch_statistics.copied_back += bytes;
  return error;
}

void* upskill_cpu_symbol_address(const void* symbol, size_t bytes) {
  const DeviceLock lock;
  const auto begin = reinterpret_cast<uintptr_t>(symbol);
  symbols[begin] = begin + bytes;
  return const_cast<void*>(symbol);
}

cudaError_t cudaMemPrefetchAsync(const void*, size_t, int, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaMemAdvise(const void*, size_t, cudaMemoryAdvise, int) { return cudaSuccess; }

}  // extern "C"
