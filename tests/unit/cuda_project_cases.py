"""A case of the contract kernel-builder for the backend cuda, and a project that meets it."""

from __future__ import annotations

from tests.unit import kernel_builder_cases as cpu
from tests.unit.kernel_builder_cases import reply

HEAD = cpu.HEAD.replace("language: cpp", "language: cuda")

BUILD = """\
[general]
name = "scale-rows"
version = 1
license = "Apache-2.0"
backends = ["cuda"]
edition = 5

[torch]
src = ["torch-ext/torch_binding.cpp", "torch-ext/torch_binding.h"]

[kernel.scale_rows]
backend = "cuda"
depends = ["torch"]
src = ["scale_rows_cuda/scale_rows.cu"]
include = ["torch-ext"]
"""

KERNEL = """\
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/all.h>

#include "torch_binding.h"

template <typename scalar_t>
__global__ void scale_rows_kernel(const scalar_t* __restrict__ x, const scalar_t* __restrict__ weight,
                                  scalar_t* __restrict__ out, scalar_t factor, int64_t cols, int64_t count) {
  const int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  if (i < count) out[i] = x[i] * weight[i / cols] * factor;
}

torch::Tensor scale_rows(const torch::Tensor& x, const torch::Tensor& weight, double factor) {
  TORCH_CHECK(x.is_cuda() && weight.is_cuda(), "x and weight must be on a GPU");
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 1 && weight.size(0) == x.size(0), "x is [rows, cols], weight is [rows]");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), "x and weight must have the same dtype");
  TORCH_CHECK(x.is_contiguous() && weight.is_contiguous(), "x and weight must be contiguous");
  const at::cuda::OptionalCUDAGuard guard(device_of(x));
  torch::Tensor out = torch::empty_like(x);
  const int64_t count = x.numel();
  if (count == 0) return out;
  constexpr int threads = 256;
  const auto blocks = static_cast<unsigned int>((count + threads - 1) / threads);
  const cudaStream_t stream = at::cuda::getCurrentCUDAStream();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "scale_rows", [&] {
    scale_rows_kernel<scalar_t><<<blocks, threads, 0, stream>>>(
        x.const_data_ptr<scalar_t>(), weight.const_data_ptr<scalar_t>(), out.mutable_data_ptr<scalar_t>(),
        static_cast<scalar_t>(factor), x.size(1), count);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}
"""

FILES = {
    "build.toml": BUILD,
    "torch-ext/torch_binding.h": cpu.HEADER,
    "torch-ext/torch_binding.cpp": cpu.BINDING.replace("torch::kCPU", "torch::kCUDA"),
    "scale_rows_cuda/scale_rows.cu": KERNEL,
    "torch-ext/scale_rows/__init__.py": cpu.MODULE,
}


def text(head: str = HEAD) -> str:
    """The text of the case's file."""
    return head + reply(FILES)
