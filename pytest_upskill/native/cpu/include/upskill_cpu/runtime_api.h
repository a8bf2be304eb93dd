// The host side of the CUDA runtime API, as far as launchers of kernels use it; src/runtime_*.cpp implements it.
//
// Work is performed synchronously, in the order of the calls, whatever the stream.
#ifndef UPSKILL_CPU_RUNTIME_API_H
#define UPSKILL_CPU_RUNTIME_API_H

#include <cstddef>
#include <tuple>
#include <utility>

#include "../driver_types.h"
#include "../vector_types.h"
#include "grid.h"
#include "launch.h"

extern "C" {
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);

cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream);
cudaError_t cudaMallocManaged(void** pointer, size_t bytes, unsigned int flags = cudaMemAttachGlobal);
cudaError_t cudaMallocHost(void** pointer, size_t bytes, unsigned int flags = 0);
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int flags);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemcpy2D(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind);
cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void* target, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream = nullptr);
cudaError_t cudaMemset2D(void* target, size_t pitch, int value, size_t width, size_t height);
cudaError_t cudaMemset2DAsync(void* target, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream = nullptr);

cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaDeviceReset(void);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config);
cudaError_t cudaDeviceSetSharedMemConfig(cudaSharedMemConfig config);
cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value);
cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDriverGetVersion(int* version);

cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags = 0);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
cudaError_t cudaFuncSetCacheConfig(const void* kernel, cudaFuncCache config);
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int threads, size_t shared);
cudaError_t cudaMemPrefetchAsync(const void* pointer, size_t bytes, int device, cudaStream_t stream = nullptr);
cudaError_t cudaMemAdvise(const void* pointer, size_t bytes, cudaMemoryAdvise advice, int device);

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int flags);
cudaError_t cudaHostUnregister(void* pointer);
cudaError_t cudaHostGetDevicePointer(void** pointer, void* host, unsigned int flags);

// For stand-ins of libraries that write device memory from the host: the memory counts as written.
void upskill_cpu_mark_written(void* begin, size_t bytes);

// For a variable of the device, `size` bytes.
cudaError_t upskill_cpu_symbol_address(void** pointer, const void* symbol, size_t size);
cudaError_t upskill_cpu_copy_to_symbol(const void* symbol, size_t size, const void* source, size_t bytes, size_t offset,
                                       cudaMemcpyKind kind);
cudaError_t upskill_cpu_copy_from_symbol(void* target, const void* symbol, size_t size, size_t bytes, size_t offset,
                                         cudaMemcpyKind kind);
}

namespace upskill::cpu {

// Kernels are passed to the API as function pointers of any type.
template <class... Parameters>
const void* address_of(void (*kernel)(Parameters...)) {
  return reinterpret_cast<const void*>(kernel);
}

template <class... Parameters, size_t... Indices>
UPSKILL_CPU_INLINE void call_with(void (*kernel)(Parameters...), void** arguments, std::index_sequence<Indices...>,
                                  const dim3& grid, const dim3& block, size_t shared, cudaStream_t stream) {
  launch_kernel(kernel, upskill_cpu_kernel_name(address_of(kernel)), grid, block, shared,
                stream)(*static_cast<std::remove_reference_t<Parameters>*>(arguments[Indices])...);
}

}  // namespace upskill::cpu

template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMalloc(T** pointer, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMallocAsync(T** pointer, size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void**>(pointer), bytes, stream);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMallocManaged(T** pointer, size_t bytes, unsigned int flags = cudaMemAttachGlobal) {
  return cudaMallocManaged(reinterpret_cast<void**>(pointer), bytes, flags);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMallocHost(T** pointer, size_t bytes, unsigned int flags = 0) {
  return cudaMallocHost(reinterpret_cast<void**>(pointer), bytes, flags);
}
template <class T>
cudaError_t cudaHostGetDevicePointer(T** pointer, void* host, unsigned int flags) {
  return cudaHostGetDevicePointer(reinterpret_cast<void**>(pointer), host, flags);
}
template <class T>
cudaError_t cudaHostAlloc(T** pointer, size_t bytes, unsigned int flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), bytes, flags);
}
template <class T>
cudaError_t cudaMallocPitch(T** pointer, size_t* pitch, size_t width, size_t height) {
  return cudaMallocPitch(reinterpret_cast<void**>(pointer), pitch, width, height);
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(upskill::cpu::address_of(kernel), attribute, value);
}
template <class... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  return cudaFuncGetAttributes(attributes, upskill::cpu::address_of(kernel));
}
template <class... Parameters>
cudaError_t cudaFuncSetCacheConfig(void (*kernel)(Parameters...), cudaFuncCache config) {
  return cudaFuncSetCacheConfig(upskill::cpu::address_of(kernel), config);
}
template <class... Parameters>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*kernel)(Parameters...), int threads,
                                                          size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, upskill::cpu::address_of(kernel), threads, shared);
}
template <class Kernel>
cudaError_t cudaOccupancyMaxPotentialBlockSize(int* minimum_grid, int* block, Kernel kernel, size_t shared = 0,
                                               int limit = 0) {
  cudaFuncAttributes attributes;
  int processors = 0, resident = 0;
  if (const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel)) return error;
  *block = limit > 0 && limit < attributes.maxThreadsPerBlock ? limit : attributes.maxThreadsPerBlock;
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0);
  const cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, *block, shared);
  *minimum_grid = processors * resident;
  return error;
}

template <class... Parameters>
UPSKILL_CPU_INLINE cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments,
                                                size_t shared = 0, cudaStream_t stream = nullptr) {
  upskill::cpu::call_with(kernel, arguments, std::index_sequence_for<Parameters...>{}, grid, block, shared, stream);
  return cudaPeekAtLastError();
}

namespace upskill::cpu {

template <class... Parameters, size_t... Indices>
UPSKILL_CPU_INLINE cudaError_t call_cooperatively(void (*kernel)(Parameters...), void** arguments,
                                                  std::index_sequence<Indices...>, const dim3& grid, const dim3& block,
                                                  size_t shared, cudaStream_t stream) {
  auto body = [&]() UPSKILL_CPU_UNCHECKED {
    kernel(*static_cast<std::remove_reference_t<Parameters>*>(arguments[Indices])...);
  };
  const upskill_cpu_argument places[] = {
      place_of(*static_cast<std::remove_reference_t<Parameters>*>(arguments[Indices]))...,
      {nullptr, 0, upskill_cpu_value}};
  upskill_cpu_arguments(places, sizeof...(Indices));
  return upskill_cpu_launch_cooperative(upskill_cpu_kernel_name(address_of(kernel)), &grid, &block, shared, stream,
                                        &run_thread<decltype(body)>, &body);
}

}  // namespace upskill::cpu

template <class... Parameters>
UPSKILL_CPU_INLINE cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                                           void** arguments, size_t shared = 0,
                                                           cudaStream_t stream = nullptr) {
  return upskill::cpu::call_cooperatively(kernel, arguments, std::index_sequence_for<Parameters...>{}, grid, block,
                                          shared, stream);
}

template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMemcpyToSymbol(const T& symbol, const void* source, size_t bytes, size_t offset = 0,
                                                  cudaMemcpyKind kind = cudaMemcpyHostToDevice) {
  return upskill_cpu_copy_to_symbol(__builtin_addressof(symbol), sizeof symbol, source, bytes, offset, kind);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMemcpyToSymbolAsync(const T& symbol, const void* source, size_t bytes,
                                                       size_t offset = 0, cudaMemcpyKind kind = cudaMemcpyHostToDevice,
                                                       cudaStream_t = nullptr) {
  return cudaMemcpyToSymbol(symbol, source, bytes, offset, kind);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMemcpyFromSymbol(void* target, const T& symbol, size_t bytes, size_t offset = 0,
                                                    cudaMemcpyKind kind = cudaMemcpyDeviceToHost) {
  return upskill_cpu_copy_from_symbol(target, __builtin_addressof(symbol), sizeof symbol, bytes, offset, kind);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaMemcpyFromSymbolAsync(void* target, const T& symbol, size_t bytes, size_t offset = 0,
                                                         cudaMemcpyKind kind = cudaMemcpyDeviceToHost,
                                                         cudaStream_t = nullptr) {
  return cudaMemcpyFromSymbol(target, symbol, bytes, offset, kind);
}
template <class T>
UPSKILL_CPU_INLINE cudaError_t cudaGetSymbolAddress(void** pointer, const T& symbol) {
  return upskill_cpu_symbol_address(pointer, __builtin_addressof(symbol), sizeof symbol);
}
template <class T>
cudaError_t cudaGetSymbolSize(size_t* size, const T& symbol) {
  *size = sizeof symbol;
  return cudaSuccess;
}

#endif  // UPSKILL_CPU_RUNTIME_API_H
