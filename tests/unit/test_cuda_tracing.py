"""The traced build: which blocks of a kernel ran, what was compared, and what steering makes of it."""

from __future__ import annotations

import pytest

from pytest_upskill.judging import JudgeRequest, JudgeResult, judge
from pytest_upskill.records import VerdictKind

CASE = """---
op: scale(Tensor x) -> Tensor
dims:
  rows: 1..300
  cols: 1..5000
args:
  x: [rows, cols]
dtypes: [float32, float16]
examples: 8
---
Multiply by 3.

## Reference

```python
def scale(x):
    return x * 3
```

## Solution

```cuda
void scale();
```
"""

KERNEL = """#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <cstdint>

template <typename T>
__global__ void scale_kernel(T* out, const T* x, int64_t n, int64_t rows) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float value = static_cast<float>(x[i]);
  if (rows > 100000) {
    value = -value;
  }
  MORE
  out[i] = static_cast<T>(value * 3);
}

template <typename T>
void scale(T* out, const T* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  int64_t n = rows * cols;
  if (n == 0) return;
  scale_kernel<<<(n + 255) / 256, 256, 0, stream>>>(out, x, n, rows);
}
"""


def judged(more: str = "", seed: int = 1) -> JudgeResult:
    return judge(JudgeRequest(CASE, "scale", {"kernel.cu": KERNEL.replace("MORE", more)}, seed=seed))


def test_lines_that_no_legal_size_executes_are_named_once_for_all_instances_and_the_kernel_passes() -> None:
    result = judged()
    assert result.verdict.kind is VerdictKind.PASSED
    line = KERNEL.split("\n").index("    value = -value;") + 1
    assert result.not_executed == ((line, line),)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "condition",
    [
        "rows > 100 && rows < 140 && n % 7 == 3",
        "sizeof(T) == 2 && rows == 283",
        "(n + 255) / 256 == 77",
    ],
)
def test_branch_in_the_interior_of_the_ranges_is_executed(condition: str, seed: int) -> None:
    assert judged(f"if ({condition}) value += 1;", seed).verdict.kind is VerdictKind.FAILED
    honest = judged(f"if ({condition}) value += 0; else value -= 0;", seed)
    assert honest.verdict.kind is VerdictKind.PASSED


def test_crash_in_the_interior_of_the_ranges_fails_runs() -> None:
    failed = judged("if (rows == 283) *static_cast<volatile int*>(nullptr) = 1;").verdict.first_failed
    assert failed is not None and failed.name == "runs"


def test_kernel_that_reports_coverage_itself_gains_nothing() -> None:
    forged = "__sanitizer_cov_trace_const_cmp8(5, n); if (rows == 283) value += 1;"
    source = 'extern "C" void __sanitizer_cov_trace_const_cmp8(unsigned long, unsigned long);\n' + KERNEL
    result = judge(JudgeRequest(CASE, "scale", {"kernel.cu": source.replace("MORE", forged)}, seed=1))
    assert result.verdict.kind is VerdictKind.FAILED
