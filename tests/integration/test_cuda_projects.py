"""Projects for the backend cuda on the cpu device: right ones pass, wrong ones fail with the reason that was planned."""

# ruff: noqa: E501 - one line for each mistake and what is said of it

from __future__ import annotations

import pytest

from pytest_upskill import JudgeRequest, JudgeResult, judge
from pytest_upskill.records import VerdictKind
from tests.unit import cuda_project_cases as cases
from tests.unit.cuda_project_cases import FILES, KERNEL

pytest.importorskip("kernels")
pytestmark = pytest.mark.full  # PyTorch's headers take a minute on first use, each build several seconds

PLACE = "scale_rows_cuda/scale_rows.cu"
CALL = "out[i] = x[i] * weight[i / cols] * factor;"
CHECK = '  TORCH_CHECK(x.is_cuda() && weight.is_cuda(), "x and weight must be on a GPU");\n'
GUARD = "  const at::cuda::OptionalCUDAGuard guard(device_of(x));\n"
STREAM = "  const cudaStream_t stream = at::cuda::getCurrentCUDAStream();\n"
LAUNCHED = "    C10_CUDA_KERNEL_LAUNCH_CHECK();\n"
CONTIGUOUS = '  TORCH_CHECK(x.is_contiguous() && weight.is_contiguous(), "x and weight must be contiguous");\n'


def result_of(files: dict[str, str], text: str = "") -> JudgeResult:
    return judge(
        JudgeRequest(
            case_text=text or cases.text(), case_name="scale_rows", sources=files, contract="kernel-builder", language="cuda",
            seed=3, examples=6,
        )
    )  # fmt: skip


def kernel(*replacements: tuple[str, str]) -> dict[str, str]:
    text = KERNEL
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return {**FILES, PLACE: text}


BLOCKS = "  if (i < count) " + CALL
SHARED = """\
  __shared__ scalar_t scales[256];
  if (i < count) scales[threadIdx.x] = weight[i / cols] * factor;
  __syncthreads();
  if (i < count) out[i] = x[i] * scales[threadIdx.x];"""
RACE = """\
  __shared__ scalar_t scales[256];
  if (i < count) scales[threadIdx.x ^ 1] = weight[(i ^ 1) < count ? (i ^ 1) / cols : 0] * factor;
  if (i < count) out[i] = x[i] * scales[threadIdx.x];"""


SURFACE = """\
#include <ATen/ATen.h>
#include <ATen/AccumulateType.h>
#include <ATen/OpMathType.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/Atomic.cuh>
#include <ATen/cuda/DeviceUtils.cuh>
#include <ATen/cuda/detail/KernelUtils.h>
#include <c10/cuda/CUDAMathCompat.h>
#include <c10/cuda/CUDAGuard.h>
#include <cooperative_groups.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <torch/torch.h>
#include "helper.cuh"

__constant__ int kShift = 0;

template <typename scalar_t>
__global__ void __launch_bounds__(256) scale_kernel(torch::PackedTensorAccessor32<scalar_t, 2, torch::RestrictPtrTraits> x,
    const scalar_t* w, scalar_t* out, float factor, int cols, int count) {
  using acc_t = at::opmath_type<scalar_t>;
  extern __shared__ char raw[];
  acc_t* tile = reinterpret_cast<acc_t*>(raw);
  cooperative_groups::thread_block block = cooperative_groups::this_thread_block();
  CUDA_KERNEL_LOOP(i, count) {
    acc_t v = static_cast<acc_t>(x[i / cols][i % cols]) * static_cast<acc_t>(w[i / cols]);
    tile[threadIdx.x] = v;
    out[i + kShift] = static_cast<scalar_t>(scaled(tile[threadIdx.x], static_cast<acc_t>(factor)));
  }
  block.sync();
  const int lane = WARP_SHFL_DOWN(static_cast<int>(threadIdx.x), 0);
  CUDA_KERNEL_ASSERT(lane == static_cast<int>(threadIdx.x));
}
template <typename scalar_t>
__global__ void fill_tile(scalar_t* t, int n) { for (int i = threadIdx.x; i < n; i += blockDim.x) gpuAtomicAdd(t + i, scalar_t(0)); }

at::Tensor scale_rows(const at::Tensor& x, const at::Tensor& weight, double factor) {
  TORCH_CHECK(x.device().type() == at::kCUDA && weight.is_cuda(), "cuda");
  TORCH_CHECK(x.get_device() == weight.get_device(), "one device");
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 1 && weight.size(0) == x.size(0), "shapes");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), "dtypes");
  c10::cuda::CUDAGuard guard(x.device());
  auto stream = c10::cuda::getCurrentCUDAStream(x.get_device()).stream();
  auto w = weight.contiguous();
  auto out = torch::empty({x.size(0), x.size(1)}, x.options());
  auto scratch = torch::zeros({4}, torch::TensorOptions().dtype(torch::kFloat32).device(x.device()));
  at::cuda::CUDAEvent event;
  event.record(at::cuda::getCurrentCUDAStream());
  event.block(at::cuda::getCurrentCUDAStream());
  const auto* properties = at::cuda::getCurrentDeviceProperties();
  if (out.numel() == 0) return out;
  const int count = static_cast<int>(x.numel());
  const dim3 block(256), grid(std::min<int>((count + 255) / 256, properties->multiProcessorCount * 8));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::ScalarType::Half, at::ScalarType::BFloat16, x.scalar_type(), "scale_rows", [&] {
    using acc_t = at::opmath_type<scalar_t>;
    const size_t bytes = 256 * sizeof(acc_t);
    AT_CUDA_CHECK(cudaFuncSetAttribute(scale_kernel<scalar_t>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    scale_kernel<scalar_t><<<grid, block, bytes, stream>>>(x.packed_accessor32<scalar_t, 2, torch::RestrictPtrTraits>(), w.data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), static_cast<float>(factor), x.size(1), count);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  fill_tile<float><<<1, 4, 0, stream>>>(scratch.data_ptr<float>(), 4);
  AT_CUDA_CHECK(cudaGetLastError());
  return out;
}
"""
HELPER = """\
#pragma once
template <typename T> __device__ __forceinline__ T scaled(T a, T b) { return a * b; }
"""


def test_a_project_that_uses_what_is_listed_passes() -> None:
    build = FILES["build.toml"].replace(f'["{PLACE}"]', f'["{PLACE}", "scale_rows_cuda/helper.cuh"]')
    files = {**FILES, "build.toml": build, PLACE: SURFACE, "scale_rows_cuda/helper.cuh": HELPER}
    found = result_of(files, cases.text().replace("[float32, float64]", "[float16, bfloat16, float32]"))
    assert found.verdict.kind is VerdictKind.PASSED, found


@pytest.mark.parametrize(
    "files",
    [
        FILES,
        kernel((BLOCKS, SHARED)),
        kernel((CONTIGUOUS, ""), ("  torch::Tensor out", "  const torch::Tensor a = x.contiguous(), b = weight.contiguous();\n  torch::Tensor out"), ("empty_like(x)", "empty(x.sizes(), x.options())"), ("x.const_data_ptr", "a.const_data_ptr"), ("weight.const_data_ptr", "b.const_data_ptr")),
    ],
    ids=["solution", "shared", "contiguous"],
)  # fmt: skip
def test_right_projects_pass(files: dict[str, str]) -> None:
    found = result_of(files)
    assert found.verdict.kind is VerdictKind.PASSED, found
    assert [one.name for one in found.verdict.assertions] == [
        "contract", "compiles", "abi", "loads", "runs", "correct[float32]", "correct[float64]", "memory", "deterministic",
        "inputs", "package", "opcheck", "strides", "empty", "rejects", "guard", "stream",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "assertion", "says"),
    [
        (kernel((GUARD, "")), "guard", f"{PLACE}:26: launch of"),
        (kernel((", 0, stream>>>", ">>>"), (STREAM, "")), "stream", "it is launched on the default stream, and PyTorch's current stream is another one; launch on PyTorch's stream"),
        (kernel((STREAM, STREAM.replace("at::cuda::getCurrentCUDAStream()", "c10::cuda::getDefaultCUDAStream()"))), "stream", f"{PLACE}:27: launch of"),
        (kernel(("i < count)", "i <= count)")), "memory", f"{PLACE}:12: out-of-bounds"),
        (kernel((BLOCKS, RACE)), "deterministic", f"{PLACE}:13: race"),
        (kernel((CHECK, "")), "rejects", "on another device"),
        (kernel((CONTIGUOUS, "")), "strides", "other values"),
        (kernel(("  return out;\n}", "  return out.mul(1.0);\n}")), "contract", "it calls the operator 'mul_Scalar' of torch"),
        (kernel(("x.const_data_ptr<scalar_t>(), weight", "static_cast<scalar_t*>(nullptr), weight")), "runs", "illegal"),
        (kernel(("constexpr int threads = 256", "constexpr int threads = 2048"), (LAUNCHED, "")), "runs", "a block has at most 1024"),
        (kernel(("  return out;\n}", "  return out.cpu();\n}")), "runs", "on device 'cpu'"),
        (kernel(("  const int64_t count", "  out.zero_();\n  return out;\n  const int64_t count")), "contract", "no kernel was launched"),
        (kernel(("torch::empty_like(x);", "torch::emptylike(x);")), "compiles", "scale_rows.cu:21:"),
        (kernel((CALL, "out[i] = x[i] * weight[i / cols] * factor; const_cast<scalar_t*>(x)[i] = 0;")), "inputs", "write"),
    ],
)  # fmt: skip
def test_wrong_projects_fail_as_planned(files: dict[str, str], assertion: str, says: str) -> None:
    failed = failed_of(result_of(files))
    assert assertion in failed
    assert says in failed[assertion], failed


def failed_of(found: JudgeResult) -> dict[str, str]:
    return {one.name: one.message for one in found.verdict.assertions if not one.passed}


REFUSED = "cudaMemsetAsync(nullptr, 0, 4, stream)"


@pytest.mark.parametrize(
    ("files", "unchecked"),
    [
        (kernel(("x.const_data_ptr<scalar_t>(), weight", "static_cast<scalar_t*>(nullptr), weight")), False),
        (kernel(("  return out;\n}", f"  (void){REFUSED};\n  return out;\n}}")), True),
        (kernel(("  return out;\n}", f"  C10_CUDA_CHECK({REFUSED});\n  return out;\n}}")), False),
    ],
    ids=["fault", "unchecked call", "checked call"],
)
def test_only_a_call_that_was_not_checked_is_said_not_to_be(files: dict[str, str], unchecked: bool) -> None:
    failed = failed_of(result_of(files))
    assert ("which the binding did not check" in failed["runs"]) == unchecked, failed


COPY = cases.text().replace("return x * weight[:, None] * factor", "return x.clone()")
MADE = "  torch::Tensor out = torch::empty_like(x);\n"
COPIED = (CALL, "out[i] = x[i];")
FOR_SHOW = "  torch::Tensor shown = torch::empty_like(x);\n"
ON_SHOW = ("out.mutable_data_ptr", "shown.mutable_data_ptr")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (kernel(COPIED), ""),
        (kernel(COPIED, ("  return out;\n}", "  return out.to(at::kDouble).to(out.scalar_type());\n}")), ""),
        (kernel(COPIED, (MADE, MADE + FOR_SHOW), ON_SHOW, ("  return out;\n}", "  return out.copy_(shown.t().contiguous().t());\n}")), ""),
        (kernel(COPIED, (MADE, MADE.replace("torch::empty_like(x)", "x.clone()") + FOR_SHOW), ON_SHOW), "none of them wrote to a result"),
        (kernel(COPIED, ("  return out;\n}", "  return out.copy_(x.t().contiguous().t());\n}")), "none of them wrote to a result"),
    ],
    ids=["kernel", "converted", "copied", "cloned input", "overwritten"],
)  # fmt: skip
def test_results_are_written_by_kernels(files: dict[str, str], says: str) -> None:
    found = result_of(files, COPY)
    assert list(failed_of(found)) == (["contract"] if says else []), found
    assert says in failed_of(found).get("contract", "")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (kernel(("  const int64_t count", "  (void)at::cuda::getCurrentCUDASparseHandle();\n  const int64_t count")), "cuSPARSE"),
        (kernel(("  const int64_t count", "  cudaGraph_t graph;\n  const int64_t count")), "CUDA graphs (cudaGraph_t)"),
    ],
)  # fmt: skip
def test_what_the_device_lacks_needs_a_gpu(files: dict[str, str], says: str) -> None:
    found = result_of(files).verdict
    assert found.kind is VerdictKind.INCONCLUSIVE, found
    assert (found.reason or "").startswith("needs a GPU: ")
    assert says in (found.reason or "")
