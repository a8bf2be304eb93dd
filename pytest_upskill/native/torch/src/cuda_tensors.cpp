// CUDA tensors whose memory is the cpu device's: the operators that make, view, fill and copy them, and what a worker
// needs to call an operator of a project (docs/kernel-builder.md). No operator here computes.
#include "cuda_tensors.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/library.h>

#include <string>

#include "../../device.h"

namespace upskill::torch_cuda {
namespace {

using at::Tensor;

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

c10::DeviceIndex index_of(std::optional<c10::Device> device) {
  return device.has_value() && device->has_index() ? device->index() : static_cast<c10::DeviceIndex>(current);
}

Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::cuda::CUDAGuard guard(index_of(device));
  return at::detail::empty_generic(size, c10::cuda::CUDACachingAllocator::get(), kKeys, at::dtype_or_default(dtype),
                                   format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::cuda::CUDAGuard guard(index_of(device));
  return at::detail::empty_strided_generic(size, stride, c10::cuda::CUDACachingAllocator::get(), kKeys,
                                           at::dtype_or_default(dtype));
}

size_t own_copies = 0;  // bytes that copies between tensors of the device have moved through the host

// The whole storage of a tensor as memory of the host, in a tensor of the cpu with the same sizes and strides.
Tensor on_host(const Tensor& tensor) {
  const auto bytes = tensor.storage().nbytes();
  Tensor whole = at::empty({static_cast<int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).device(at::kCPU));
  if (bytes > 0) C10_CUDA_CHECK(cudaMemcpy(whole.data_ptr(), tensor.storage().data(), bytes, cudaMemcpyDeviceToHost));
  return at::empty({0}, tensor.options().device(at::kCPU))
      .set_(whole.storage(), tensor.storage_offset(), tensor.sizes(), tensor.strides());
}

void to_device(const Tensor& tensor, const Tensor& host) {
  const auto bytes = tensor.storage().nbytes();
  if (bytes > 0)
    C10_CUDA_CHECK(cudaMemcpy(tensor.storage().mutable_data(), host.storage().data(), bytes, cudaMemcpyHostToDevice));
}

bool is_written(const Tensor& tensor) { return tensor.is_cuda() && upskill_is_written(tensor.storage().data()) != 0; }

// Whether values that kernels have written are left in a tensor once all its elements are overwritten with other ones.
bool keeps_some(const Tensor& tensor) {
  const bool whole = tensor.is_non_overlapping_and_dense() && tensor.nbytes() == tensor.storage().nbytes();
  return !whole && is_written(tensor);
}

Tensor& copy(Tensor& self, const Tensor& source, bool) {
  if (self.numel() == 0) return self;
  // Contiguous memory of the device keeps what is known of its bytes that were never written.
  if (self.is_cuda() && source.is_cuda() && self.dtype() == source.dtype() && self.is_contiguous() &&
      source.is_contiguous() && self.numel() == source.numel() && !self.is_conj() && !source.is_conj()) {
    C10_CUDA_CHECK(cudaMemcpy(self.data_ptr(), source.data_ptr(), self.nbytes(), cudaMemcpyDeviceToDevice));
    return self;
  }
  const Tensor from = source.is_cuda() ? on_host(source) : source;
  if (!self.is_cuda()) {
    self.copy_(from);
    return self;
  }
  const Tensor to = on_host(self);
  const bool written = is_written(source) || keeps_some(self);
  own_copies += self.storage().nbytes() + (source.is_cuda() ? source.storage().nbytes() : 0);
  to.copy_(from);
  to_device(self, to);
  upskill_note_written(self.storage().data(), written);
  return self;
}

Tensor copy_from(const Tensor& self, const Tensor& target, bool non_blocking) {
  Tensor written = target;
  return copy(written, self, non_blocking);
}

Tensor& fill(Tensor& self, const at::Scalar& value) {
  if (self.numel() == 0) return self;
  const Tensor host = on_host(self);
  const bool written = keeps_some(self);
  own_copies += self.storage().nbytes();
  host.fill_(value);
  to_device(self, host);
  upskill_note_written(self.storage().data(), written);
  return self;
}

Tensor& fill_tensor(Tensor& self, const Tensor& value) { return fill(self, value.item()); }

Tensor& zero(Tensor& self) {
  if (self.numel() > 0 && self.is_non_overlapping_and_dense()) {
    C10_CUDA_CHECK(cudaMemset(self.data_ptr(), 0, self.nbytes()));
    return self;
  }
  return fill(self, 0);
}

at::Scalar item(const Tensor& self) { return on_host(self).item(); }

const Tensor& resize(const Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> format) {
  at::detail::check_size_nonnegative(size);
  auto* implementation = self.unsafeGetTensorImpl();
  implementation->set_sizes_contiguous(size);
  const auto needed = static_cast<size_t>(implementation->numel()) * self.element_size();
  if (needed > self.storage().nbytes()) {
    const c10::cuda::CUDAGuard guard(self.device());
    auto memory = c10::cuda::CUDACachingAllocator::get()->allocate(needed);
    if (self.storage().nbytes() > 0)
      C10_CUDA_CHECK(
          cudaMemcpy(memory.get(), self.storage().data(), self.storage().nbytes(), cudaMemcpyDeviceToDevice));
    self.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(memory));
    self.storage().unsafeGetStorageImpl()->set_nbytes(needed);
  }
  if (format.has_value()) implementation->empty_tensor_restride(*format);
  return self;
}

Tensor copy_from_and_resize(const Tensor& self, const Tensor& target) {
  torch_cuda::resize(target, self.sizes(), std::nullopt);
  return copy_from(self, target, false);
}

Tensor& set_storage(Tensor& self, at::Storage source, int64_t offset, at::IntArrayRef size, at::IntArrayRef stride) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(source));
  self.unsafeGetTensorImpl()->set_storage_offset(offset);
  self.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride);
  return self;
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("set_.source_Storage_storage_offset", set_storage);
  m.impl("resize_", resize);
  m.impl("copy_", copy);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("fill_.Scalar", fill);
  m.impl("fill_.Tensor", fill_tensor);
  m.impl("zero_", zero);
  m.impl("_local_scalar_dense", item);
}

bool strict = false;  // whether a project's own code runs
std::string needed;   // the first thing since `begin` that is not there

}  // namespace

void needs_gpu(const std::string& name) {
  if (needed.empty()) needed = name;
  TORCH_CHECK_NOT_IMPLEMENTED(false, "needs a GPU: ", name);
}

namespace {

// The other operators. A project needs a GPU for them; for the worker itself they are computed on the host.
void missing(const c10::OperatorHandle& handle, torch::jit::Stack* stack) {
  if (!strict) return at::native::cpu_fallback(handle, stack);
  needs_gpu("the operator " + c10::toString(handle.schema().operator_name()) + " of torch");
}

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&missing>()); }

// ---------------------------------------------------------------------------------------------- for the worker

// A tensor on a device, with the values and strides of `host`, whose accesses are reported with its name.
Tensor place(const Tensor& host, std::string name, int64_t device, bool writable) {
  Tensor made = at::empty_strided(host.sizes(), host.strides(),
                                  host.options().device(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device))));
  made.copy_(host);
  if (made.storage().nbytes() > 0)
    upskill_watch(made.storage().data(), made.storage().nbytes(), name.c_str(),
                  writable ? UPSKILL_READ_WRITE : UPSKILL_READ_ONLY, 1);
  return made;
}

int current_number() { return current; }

// Begins a call of a project's code, which lies in the library at that address; tensors are on `device`. Until `end`,
// host code has no access to the device's memory, and a kernel ends after that many seconds of processor time. With
// `other_stream`, PyTorch's current stream is not the default one.
void begin(int64_t code, int64_t device, int64_t order, int64_t seed, double seconds, bool other_stream) {
  upskill_clear_reports();
  own_copies = 0;
  needed.clear();
  upskill_configure(static_cast<int>(order), static_cast<uint64_t>(seed), UPSKILL_CHECK_ALL);
  upskill_expect_device(static_cast<int>(device), current_number);
  upskill_limit_time(seconds);
  if (other_stream) {
    static const auto stream = c10::cuda::getStreamFromPool(false, 0);
    c10::cuda::setCurrentCUDAStream(stream);
  }
  upskill_refuse_default_streams(other_stream);
  current = 0;
  strict = true;
  upskill_launcher_runs(reinterpret_cast<const void*>(code));
}

// What has happened since `begin`: a line with the numbers of launches and of bytes copied to the host, then reports.
std::string end() {
  upskill_launcher_runs(nullptr);
  upskill_limit_time(0);
  strict = false;
  current = 0;
  upskill_expect_device(0, nullptr);
  upskill_refuse_default_streams(0);
  for (c10::DeviceIndex device = 0; device < kDevices; ++device)
    c10::cuda::setCurrentCUDAStream(c10::cuda::getDefaultCUDAStream(device));
  const cudaError_t last = cudaGetLastError();
  const bool stays = cudaGetLastError() != cudaSuccess;  // a kernel's fault, whether the binding has checked it or not
  const cudaError_t error = last != cudaSuccess ? last : cudaDeviceSynchronize();
  std::string lines = std::to_string(upskill_launches()) + ' ' + std::to_string(upskill_copied_back() - own_copies);
  lines += '\n';
  if (!needed.empty()) lines += "runs\tneeds-gpu\t0\t" + needed + '\n';
  for (size_t i = 0; i < upskill_report_count(); ++i) lines += std::string(upskill_report(i)) + '\n';
  if (error != cudaSuccess)
    lines += std::string("runs\tlaunch-error\t0\t") + cudaGetErrorString(error) +
             (stays ? "\n" : ", which the binding did not check: C10_CUDA_KERNEL_LAUNCH_CHECK()\n");
  return lines;
}

void forget() { upskill_unwatch_all(); }

TORCH_LIBRARY(upskill_cuda, m) {
  m.def("place", place);
  m.def("begin", begin);
  m.def("end", end);
  m.def("forget", forget);
  m.def("written", is_written);
}

}  // namespace
}  // namespace upskill::torch_cuda
