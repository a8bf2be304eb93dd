"""Every case's solution and every right kernel becomes a library for a GPU, for each generation that is in use.

No GPU is needed, only nvcc. The compiled kernels are kept, so that a second run costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.build.nvcc import find_nvcc
from pytest_upskill.contracts.launcher.contract import extract_kernel
from pytest_upskill.contracts.launcher.signature import entry_source
from pytest_upskill.languages.cuda.gpu_build import CudaCompiler
from pytest_upskill.sandbox.confinement import strongest
from tests.integration.test_kernel_collection import CASES, RIGHT, asked, name_of
from tests.sampling import every

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")

pytestmark = pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed: pip install nvidia-cuda-nvcc")


def compile_for_all(name: str, source: str) -> None:
    _, signature = asked(name)
    extraction = extract_kernel(f"```cuda\n{source}\n```\n", signature)
    assert extraction.kernel is not None, extraction.problem
    build = CudaCompiler(ARCHITECTURES).build(
        extraction.kernel.source, entry_source(signature), confinement=strongest()
    )
    assert build.ok, build.message
    assert {kernel.architecture for kernel in build.kernels} == set(ARCHITECTURES)
    assert all(kernel.registers > 0 for kernel in build.kernels)


@pytest.mark.parametrize("name", every(len(CASES), CASES, str))
def test_a_solution_compiles_for_every_generation_of_gpus(name: str) -> None:
    solution = asked(name)[0].solution
    assert solution is not None
    compile_for_all(name, solution.source)


@pytest.mark.full
@pytest.mark.parametrize("path", RIGHT, ids=name_of)
def test_a_right_kernel_compiles_for_every_generation_of_gpus(path: Path) -> None:
    compile_for_all(path.parent.name, path.read_text())
