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
LAUNCHED = "    C10_CUDA_KERNEL_LAUNCH_CHECK();\n"
CONTIGUOUS = '  TORCH_CHECK(x.is_contiguous() && weight.is_contiguous(), "x and weight must be contiguous");\n'


def result_of(files: dict[str, str]) -> JudgeResult:
    return judge(
        JudgeRequest(
            case_text=cases.text(), case_name="scale_rows", sources=files, contract="kernel-builder", language="cuda",
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
        "inputs", "package", "opcheck", "strides", "empty", "rejects", "guard",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "assertion", "says"),
    [
        (kernel((GUARD, "")), "guard", f"{PLACE}:26: launch of"),
        (kernel(("i < count)", "i <= count)")), "memory", f"{PLACE}:12: out-of-bounds"),
        (kernel((BLOCKS, RACE)), "deterministic", f"{PLACE}:14: "),
        (kernel((CHECK, "")), "rejects", "on another device"),
        (kernel((CONTIGUOUS, "")), "strides", "other values"),
        (kernel(("  return out;\n}", "  return out.mul(1.0);\n}")), "contract", "it calls the operator 'mul_Scalar' of torch"),
        (kernel(("x.const_data_ptr<scalar_t>(), weight", "static_cast<scalar_t*>(nullptr), weight")), "runs", "illegal"),
        (kernel(("constexpr int threads = 256", "constexpr int threads = 2048"), (LAUNCHED, "")), "runs", "a block has at most 1024"),
        (kernel(("  return out;\n}", "  return out.cpu();\n}")), "runs", "on device 'cpu'"),
        (kernel(("  const int64_t count", "  out.zero_();\n  return out;\n  const int64_t count")), "contract", "no kernel was launched"),
        (kernel(("torch::empty_like(x);", "torch::emptylike(x);")), "compiles", f"{PLACE}:22:"),
        (kernel((CALL, "out[i] = x[i] * weight[i / cols] * factor; const_cast<scalar_t*>(x)[i] = 0;")), "inputs", "write"),
    ],
)  # fmt: skip
def test_wrong_projects_fail_as_planned(files: dict[str, str], assertion: str, says: str) -> None:
    found = result_of(files)
    failed = {one.name: one.message for one in found.verdict.assertions if not one.passed}
    assert assertion in failed, found.verdict
    assert says in failed[assertion], failed


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
