// The runtime API's device: its properties, limits and kernels' attributes.
#include <algorithm>
#include <cstring>

#include "clocks.h"
#include "kernel_facts.h"
#include "launch_state.h"
#include "memory.h"
#include "report.h"
#include "upskill_cpu/runtime_api.h"

using namespace upskill::cpu;

namespace {

// Properties of an H200 (sm_90), since kernels may branch on them; the memory size is the emulation's.
constexpr int processors = 132;
constexpr int threads_per_processor = 2048;
constexpr int blocks_per_processor = 32;
constexpr int registers = 65536;
constexpr int memory_clock_khz = 3201000;
constexpr size_t shared_per_processor = 228 << 10;
constexpr size_t constant_bytes = 64 << 10;

size_t limits[] = {1024, 1 << 20, 8 << 20, 2, 2048, 64, 0};  // in the order of cudaLimit

}  // namespace

namespace upskill::cpu {

int resident_blocks(int threads, size_t shared) {
  const int by_threads = threads_per_processor / ((threads + warp_size - 1) / warp_size * warp_size);
  const int by_shared = static_cast<int>(shared_per_processor / (shared + 1024));
  return std::min({by_threads, by_shared, blocks_per_processor});
}

}  // namespace upskill::cpu

extern "C" {

cudaError_t cudaDeviceSynchronize() {
  const DeviceLock lock;  // other host threads' kernels have ended
  return sticky_error();
}
cudaError_t cudaDeviceReset() {
  const DeviceLock lock;
  release_all();
  clear_errors();
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : fail(cudaErrorInvalidDevice); }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return fail(cudaErrorInvalidDevice);
  cudaDeviceProp p{};
  std::strcpy(p.name, "pytest-upskill cpu device");
  p.totalGlobalMem = device_bytes;
  p.sharedMemPerBlock = default_dynamic_shared;
  p.sharedMemPerBlockOptin = max_dynamic_shared;
  p.sharedMemPerMultiprocessor = shared_per_processor;
  p.reservedSharedMemPerBlock = 1024;
  p.regsPerBlock = p.regsPerMultiprocessor = registers;
  p.warpSize = warp_size;
  p.memPitch = 0x7fffffff;
  p.maxThreadsPerBlock = max_threads;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7fffffff;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = constant_bytes;
  p.major = 9;
  p.multiProcessorCount = processors;
  p.concurrentKernels = p.unifiedAddressing = p.managedMemory = p.canMapHostMemory = 1;
  p.cooperativeLaunch = p.memoryPoolsSupported = p.concurrentManagedAccess = p.deviceOverlap = 1;
  p.streamPrioritiesSupported = p.globalL1CacheSupported = p.localL1CacheSupported = p.hostRegisterSupported = 1;
  p.persistingL2CacheMaxSize = 30 << 20;
  p.accessPolicyMaxWindowSize = 128 << 20;
  p.asyncEngineCount = p.singleToDoublePrecisionPerfRatio = 2;
  p.clockRate = clock_khz;
  p.memoryClockRate = memory_clock_khz;
  p.textureAlignment = p.surfaceAlignment = 512;
  p.texturePitchAlignment = 32;
  p.memoryBusWidth = 6144;
  p.l2CacheSize = 60 << 20;
  p.maxThreadsPerMultiProcessor = threads_per_processor;
  p.maxBlocksPerMultiProcessor = blocks_per_processor;
  *properties = p;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return fail(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      *value = 1024;
      break;
    case cudaDevAttrMaxBlockDimZ:
      *value = 64;
      break;
    case cudaDevAttrMaxGridDimX:
    case cudaDevAttrMaxPitch:
      *value = 0x7fffffff;
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *value = 65535;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(default_dynamic_shared);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(max_dynamic_shared);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(shared_per_processor);
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrTotalConstantMemory:
      *value = static_cast<int>(constant_bytes);
      break;
    case cudaDevAttrWarpSize:
      *value = warp_size;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = registers;
      break;
    case cudaDevAttrClockRate:
      *value = clock_khz;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = memory_clock_khz;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 6144;
      break;
    case cudaDevAttrL2CacheSize:
      *value = 60 << 20;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = processors;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = threads_per_processor;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = blocks_per_processor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
    case cudaDevAttrIntegrated:
    case cudaDevAttrComputeMode:
    case cudaDevAttrEccEnabled:
    case cudaDevAttrKernelExecTimeout:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrHostNativeAtomicSupported:
    case cudaDevAttrComputePreemptionSupported:
    case cudaDevAttrPciBusId:
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrTccDriver:
    case cudaDevAttrIsMultiGpuBoard:
    case cudaDevAttrMultiGpuBoardGroupID:
    case cudaDevAttrCanFlushRemoteWrites:
    case cudaDevAttrCanUseHostPointerForRegisteredMem:
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
    case cudaDevAttrDirectManagedMemAccessFromHost:
    case cudaDevAttrClusterLaunch:
    case cudaDevAttrIpcEventSupport:
      *value = 0;
      break;
    case cudaDevAttrTextureAlignment:
    case cudaDevAttrSurfaceAlignment:
      *value = 512;
      break;
    case cudaDevAttrTexturePitchAlignment:
      *value = 32;
      break;
    case cudaDevAttrMaxPersistingL2CacheSize:
      *value = 30 << 20;
      break;
    case cudaDevAttrMaxAccessPolicyWindowSize:
      *value = 128 << 20;
      break;
    case cudaDevAttrAsyncEngineCount:
    case cudaDevAttrSingleToDoublePrecisionPerfRatio:
      *value = 2;
      break;
    case cudaDevAttrGpuOverlap:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrGlobalL1CacheSupported:
    case cudaDevAttrLocalL1CacheSupported:
    case cudaDevAttrHostRegisterSupported:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    default:
      return fail(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaDeviceSetSharedMemConfig(cudaSharedMemConfig) { return cudaSuccess; }
// Limits are kept and have no effect.
cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  const DeviceLock lock;
  if (limit > cudaLimitPersistingL2CacheSize) return fail(cudaErrorUnsupportedLimit);
  limits[limit] = value;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
  const DeviceLock lock;
  if (limit > cudaLimitPersistingL2CacheSize) return fail(cudaErrorUnsupportedLimit);
  *value = limits[limit];
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const DeviceLock lock;
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return sticky_error();
  const KernelFacts facts = kernel_facts(kernel);
  if (value < 0 || static_cast<size_t>(value) + facts.static_shared > max_dynamic_shared)
    return fail(cudaErrorInvalidValue);
  allow_dynamic_shared(facts.bounds, static_cast<size_t>(value));
  return sticky_error();
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  const KernelFacts facts = kernel_facts(kernel);
  *attributes = {};
  attributes->sharedSizeBytes = facts.static_shared;
  attributes->maxThreadsPerBlock = facts.most_threads();
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(allowed_dynamic_shared(facts.bounds));
  return cudaSuccess;
}
cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return cudaSuccess; }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int threads, size_t shared) {
  if (kernel == nullptr || threads <= 0) return fail(cudaErrorInvalidValue);
  const KernelFacts facts = kernel_facts(kernel);
  *blocks = threads > facts.most_threads() ? 0 : resident_blocks(threads, facts.static_shared + shared);
  return cudaSuccess;
}

}  // extern "C"
