// Launch statistics on a GPU: device.h's upskill_launches and upskill_copied_back.
//
// The student's object calls these functions in place of the CUDA runtime's: its references are renamed before it is
// linked (CALLS in build/cuda.py lists the names). The driver's own calls go directly to the runtime.
#include <cuda_runtime.h>

#include "device.h"

extern "C" cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t);

namespace {

size_t launches = 0;
size_t copied_back = 0;

cudaError_t launched(cudaError_t code) {
  launches += code == cudaSuccess;
  return code;
}

bool is_on_device(const void* pointer) {
  cudaPointerAttributes attributes{};
  const bool known = cudaPointerGetAttributes(&attributes, pointer) == cudaSuccess;
  return known && attributes.type == cudaMemoryTypeDevice;
}

void note_copy(const void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  const bool back =
      kind == cudaMemcpyDeviceToHost || (kind == cudaMemcpyDefault && is_on_device(source) && !is_on_device(target));
  copied_back += back ? bytes : 0;
}

}  // namespace

extern "C" {

size_t upskill_launches(void) { return launches; }

size_t upskill_copied_back(void) { return copied_back; }

void upskill_clear_reports(void) { launches = copied_back = 0; }

cudaError_t upskill_counted___cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                                               size_t shared, cudaStream_t stream) {
  return launched(__cudaLaunchKernel(kernel, grid, block, arguments, shared, stream));
}

cudaError_t upskill_counted_cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                                             cudaStream_t stream) {
  return launched(cudaLaunchKernel(kernel, grid, block, arguments, shared, stream));
}

cudaError_t upskill_counted_cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* kernel,
                                                void** arguments) {
  return launched(cudaLaunchKernelExC(config, kernel, arguments));
}

cudaError_t upskill_counted_cudaLaunchCooperativeKernel(const void* kernel, dim3 grid, dim3 block, void** arguments,
                                                        size_t shared, cudaStream_t stream) {
  return launched(cudaLaunchCooperativeKernel(kernel, grid, block, arguments, shared, stream));
}

cudaError_t upskill_counted_cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  note_copy(target, source, bytes, kind);
  return cudaMemcpy(target, source, bytes, kind);
}

cudaError_t upskill_counted_cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                                            cudaStream_t stream) {
  note_copy(target, source, bytes, kind);
  return cudaMemcpyAsync(target, source, bytes, kind, stream);
}

cudaError_t upskill_counted_cudaMemcpy2D(void* target, size_t target_pitch, const void* source, size_t source_pitch,
                                         size_t width, size_t height, cudaMemcpyKind kind) {
  note_copy(target, source, width * height, kind);
  return cudaMemcpy2D(target, target_pitch, source, source_pitch, width, height, kind);
}

cudaError_t upskill_counted_cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source,
                                              size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind,
                                              cudaStream_t stream) {
  note_copy(target, source, width * height, kind);
  return cudaMemcpy2DAsync(target, target_pitch, source, source_pitch, width, height, kind, stream);
}

cudaError_t upskill_counted_cudaMemcpyFromSymbol(void* target, const void* symbol, size_t bytes, size_t offset,
                                                 cudaMemcpyKind kind) {
  copied_back += kind == cudaMemcpyDeviceToDevice ? 0 : bytes;
  return cudaMemcpyFromSymbol(target, symbol, bytes, offset, kind);
}

cudaError_t upskill_counted_cudaMemcpyFromSymbolAsync(void* target, const void* symbol, size_t bytes, size_t offset,
                                                      cudaMemcpyKind kind, cudaStream_t stream) {
  copied_back += kind == cudaMemcpyDeviceToDevice ? 0 : bytes;
  return cudaMemcpyFromSymbolAsync(target, symbol, bytes, offset, kind, stream);
}

}  // extern "C"
