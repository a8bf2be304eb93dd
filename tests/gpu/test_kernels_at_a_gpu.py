"""The kernels of tests/kernels on a GPU: right ones pass, and wrong ones that only a GPU can detect fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.contracts.launcher.contract import extract_kernel
from pytest_upskill.devices.cuda import CudaMachine
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.oracle.explore import explore
from tests.integration.test_kernel_collection import EXAMPLES, MARK, RIGHT, SEED, WRONG, asked, name_of

CPU_ALONE = ("memory", "deterministic")
"""What the cpu device sees in every access, and a GPU in what comes of it, if anything does."""


def failed(machine: CudaMachine, path: Path) -> dict[str, str]:
    case, signature = asked(path.parent.name)
    extraction = extract_kernel(f"```cuda\n{path.read_text()}\n```\n", signature)
    assert extraction.kernel is not None, extraction.problem
    built = CudaLanguage().build({CudaLanguage.source_name: extraction.kernel.source}, signature.entry, machine)
    if built.library is None:
        return {"compiles": built.message}
    with machine.sandbox(built.library, 10.0, CudaLanguage.source_name) as sandbox:
        judgement = explore(case, signature.layout, sandbox.call, seed=SEED, examples=EXAMPLES, only=None)
    return {assertion.name: assertion.message for assertion in judgement.assertions if not assertion.passed}


@pytest.mark.parametrize("path", RIGHT, ids=name_of)
def test_a_right_kernel_passes_at_a_gpu(machine: CudaMachine, path: Path) -> None:
    assert failed(machine, path) == {}


@pytest.mark.parametrize("path", WRONG, ids=name_of)
def test_a_wrong_kernel_fails_at_a_gpu(machine: CudaMachine, path: Path) -> None:
    found = MARK.match(path.read_text())
    assert found is not None
    if not failed(machine, path):
        assert found.group(1) in CPU_ALONE, "nothing was found, although the values are wrong"
        pytest.xfail(f"{found.group(1)}: what is wrong has no effect on this GPU; the cpu device sees it")
