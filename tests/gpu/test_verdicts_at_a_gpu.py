"""The oracle on a GPU: sizes beyond those of the skill's cases, and kernels that fail only there."""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.contracts.launcher.signature import derive
from pytest_upskill.devices.cuda import CudaMachine
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.oracle.explore import Judgement, explore
from pytest_upskill.oracle.reference import result_dtypes
from tests.unit.oracle_kernels import make_case

FRONT = "dims:\n  rows: 1..200000\n  cols: 1..4096\nargs:\n  x: [rows, cols]\ndtypes: [float32]\n"
KERNEL = """
#include <cuda_runtime.h>
#include <stdint.h>
__global__ void double_rows(float* out, const float* x, int64_t rows, int64_t cols) {
  int64_t row = blockIdx.{axis};
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) out[row * cols + c] = 2 * x[row * cols + c];
}
void twice(float* out, const float* x, int64_t rows, int64_t cols, cudaStream_t stream) {
  dim3 grid{shape};
  double_rows<<<grid, 128, 0, stream>>>(out, x, rows, cols);
}
"""


def judged(machine: CudaMachine, folder: Path, axis: str, shape: str, example: str = "") -> Judgement:
    case = make_case(folder, "twice(Tensor x) -> Tensor", FRONT, "def twice(x):\n    return 2 * x")
    signature = derive(case, result_dtypes(case))
    source = KERNEL.replace("{axis}", axis).replace("{shape}", shape)
    built = CudaLanguage().build({CudaLanguage.source_name: source}, signature.entry, machine)
    assert built.library is not None, built.message
    with machine.sandbox(built.library, 20.0, CudaLanguage.source_name) as sandbox:
        only = parse_example(example, case) if example else None
        return explore(case, signature.layout, sandbox.call, seed=5, examples=9, only=only, largest=machine.largest)


def test_many_rows_along_x_pass(machine: CudaMachine, tmp_path: Path) -> None:
    judgement = judged(machine, tmp_path, "x", "(rows)")
    assert all(assertion.passed for assertion in judgement.assertions), judgement.assertions


def test_more_rows_along_y_than_a_grid_has_fail(machine: CudaMachine, tmp_path: Path) -> None:
    judgement = judged(machine, tmp_path, "y", "(1, rows)", "rows=70000 cols=3 seed=7")
    assert not judgement.assertions[0].passed
    assert "invalid configuration argument" in judgement.assertions[0].message
