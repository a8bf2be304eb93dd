// The functions of libc10_cuda and libtorch_cuda that bindings call, on the cpu device. Streams and allocations are the
// cpu device's; two devices share it, so that a launch without a device guard can be told from one with it.
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/cuda/impl/CUDAGuardImpl.h>

#include <array>
#include <mutex>
#include <ostream>
#include <vector>

#include "cuda_tensors.h"

namespace upskill::torch_cuda {

int current = 0;

}  // namespace upskill::torch_cuda

namespace c10::cuda {

namespace {

using upskill::torch_cuda::current;
using upskill::torch_cuda::kDevices;

// Streams that libtorch hands out; number 0 is the default one.
std::vector<cudaStream_t>& streams() {
  static std::vector<cudaStream_t> all{nullptr};
  return all;
}

std::array<StreamId, kDevices>& current_streams() {
  static std::array<StreamId, kDevices> all{};
  return all;
}

DeviceIndex known(DeviceIndex device) {
  if (device == -1) return static_cast<DeviceIndex>(current);
  TORCH_CHECK(device >= 0 && device < kDevices, "CUDA device index ", static_cast<int>(device), " is not there");
  return device;
}

CUDAStream stream_of(StreamId id, DeviceIndex device) {
  return CUDAStream(CUDAStream::UNCHECKED, Stream(Stream::UNSAFE, Device(DeviceType::CUDA, device), id));
}

}  // namespace

DeviceIndex device_count() noexcept { return kDevices; }
DeviceIndex device_count_ensure_non_zero() { return kDevices; }
DeviceIndex current_device() { return static_cast<DeviceIndex>(current); }
void set_device(DeviceIndex device, bool) { current = known(device); }
void device_synchronize() { C10_CUDA_CHECK(cudaDeviceSynchronize()); }
void warn_or_error_on_sync() {}

cudaError_t GetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}

cudaError_t GetDevice(DeviceIndex* device) {
  *device = static_cast<DeviceIndex>(current);
  return cudaSuccess;
}

cudaError_t SetDevice(DeviceIndex device, bool) {
  if (device < 0 || device >= kDevices) return cudaErrorInvalidDevice;
  current = device;
  return cudaSuccess;
}

cudaError_t MaybeSetDevice(DeviceIndex device) { return SetDevice(device); }

DeviceIndex ExchangeDevice(DeviceIndex device) {
  const auto before = static_cast<DeviceIndex>(current);
  if (device >= 0) current = known(device);
  return before;
}

DeviceIndex MaybeExchangeDevice(DeviceIndex device) { return ExchangeDevice(device); }
void SetTargetDevice() {}
bool hasPrimaryContext(DeviceIndex) { return true; }
std::optional<DeviceIndex> getDeviceIndexWithPrimaryContext() { return static_cast<DeviceIndex>(current); }

std::string get_cuda_error_help(cudaError_t) noexcept { return ""; }
const char* get_cuda_check_suffix() noexcept { return ""; }
const char* get_cuda_async_error_suffix(cudaError_t) noexcept { return ""; }

std::mutex* getFreeMutex() {
  static std::mutex mutex;
  return &mutex;
}

void c10_cuda_check_implementation(int32_t error, const char* file, const char* function, uint32_t line, bool) {
  const auto code = static_cast<cudaError_t>(error);
  if (C10_LIKELY(code == cudaSuccess)) return;
  (void)cudaGetLastError();
  throw c10::AcceleratorError({function, file, line}, error, c10::str("CUDA error: ", cudaGetErrorString(code)));
}

cudaStream_t CUDAStream::stream() const {
  const auto id = static_cast<size_t>(stream_.id());
  return id < streams().size() ? streams()[id] : nullptr;
}

bool CUDAStream::query() const { return true; }
void CUDAStream::synchronize() const { C10_CUDA_CHECK(cudaStreamSynchronize(stream())); }

CUDAStream getStreamFromPool(bool, DeviceIndex device) {
  cudaStream_t made = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
  return getStreamFromExternal(made, known(device));
}

CUDAStream getStreamFromPool(int, DeviceIndex device) { return getStreamFromPool(false, device); }

CUDAStream getStreamFromExternal(cudaStream_t stream, DeviceIndex device) {
  streams().push_back(stream);
  return stream_of(static_cast<StreamId>(streams().size()) - 1, known(device));
}

CUDAStream getDefaultCUDAStream(DeviceIndex device) { return stream_of(0, known(device)); }

CUDAStream getCurrentCUDAStream(DeviceIndex device) {
  const DeviceIndex which = known(device);
  return stream_of(current_streams()[static_cast<size_t>(which)], which);
}

void setCurrentCUDAStream(CUDAStream stream) {
  current_streams()[static_cast<size_t>(known(stream.device_index()))] = stream.id();
}

std::ostream& operator<<(std::ostream& out, const CUDAStream& stream) { return out << stream.unwrap(); }

namespace CUDACachingAllocator {

namespace {

void release(void* pointer) { (void)cudaFree(pointer); }

// Memory of the cpu device, exactly as large as a tensor needs it. It frees what libtorch gives back at once.
struct Memory final : Allocator {
  DataPtr allocate(size_t bytes) override {
    return {raw_alloc(bytes), nullptr, &release, Device(DeviceType::CUDA, static_cast<DeviceIndex>(current))};
  }
  DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    C10_CUDA_CHECK(cudaMemcpy(target, source, bytes, cudaMemcpyDeviceToDevice));
  }
};

Memory memory;

}  // namespace

Allocator* get() { return &memory; }

void* raw_alloc(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* found = nullptr;
  const cudaError_t error = cudaMalloc(&found, bytes);
  TORCH_CHECK_WITH(OutOfMemoryError, error == cudaSuccess, "CUDA out of memory. Tried to allocate ", bytes, " bytes");
  return found;
}

void raw_delete(void* pointer) { release(pointer); }

}  // namespace CUDACachingAllocator

namespace impl {

C10_REGISTER_GUARD_IMPL(CUDA, CUDAGuardImpl)

}  // namespace impl

}  // namespace c10::cuda

REGISTER_ALLOCATOR(c10::DeviceType::CUDA, &c10::cuda::CUDACachingAllocator::memory)

namespace at::cuda {

cudaDeviceProp* getDeviceProperties(c10::DeviceIndex device) {
  static cudaDeviceProp properties = [] {
    cudaDeviceProp found{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&found, 0));
    return found;
  }();
  TORCH_CHECK(device >= 0 && device < upskill::torch_cuda::kDevices, "there is no CUDA device ", device);
  return &properties;
}

cudaDeviceProp* getCurrentDeviceProperties() { return getDeviceProperties(c10::cuda::current_device()); }
int warp_size() { return getCurrentDeviceProperties()->warpSize; }
bool canDeviceAccessPeer(c10::DeviceIndex, c10::DeviceIndex) { return false; }
cublasHandle_t getCurrentCUDABlasHandle(bool) { upskill::torch_cuda::needs_gpu("cuBLAS"); }
cublasLtHandle_t getCurrentCUDABlasLtHandle() { upskill::torch_cuda::needs_gpu("cuBLASLt"); }
cusparseHandle_t getCurrentCUDASparseHandle() { upskill::torch_cuda::needs_gpu("cuSPARSE"); }
cusolverDnHandle_t getCurrentCUDASolverDnHandle() { upskill::torch_cuda::needs_gpu("cuSOLVER"); }
c10::Allocator* getCUDADeviceAllocator() { return c10::cuda::CUDACachingAllocator::get(); }

}  // namespace at::cuda
