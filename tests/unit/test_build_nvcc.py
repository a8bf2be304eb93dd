from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from pytest_upskill.build import nvcc
from pytest_upskill.build.cache import Cache
from pytest_upskill.contracts.launcher.signature import Signature, entry_source
from pytest_upskill.languages.cuda import gpu_build
from pytest_upskill.languages.cuda.gpu_build import NvccCheck
from pytest_upskill.records import Build
from pytest_upskill.sandbox.confinement import strongest
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, PROBE_SIGNATURE, probe

needs_nvcc = pytest.mark.skipif(nvcc.find_nvcc() is None, reason="nvcc is not installed: pip install nvidia-cuda-nvcc")


def check(source: str, signature: Signature = PROBE_SIGNATURE) -> Build:
    made = NvccCheck().check(source, entry_source(signature), confinement=strongest())
    assert made is not None
    return made


@needs_nvcc
def test_kernel_that_compiles_has_no_message_and_is_kept() -> None:
    source = f"{AXPY}// {uuid.uuid4()}\n"
    first, second = (check(source, AXPY_SIGNATURE) for _ in range(2))
    assert first.message == second.message == ""
    assert (first.cached, second.cached) == (False, True)
    assert first.compilers[0].startswith("nvcc ")


@needs_nvcc
@pytest.mark.parametrize(
    ("body", "before", "words"),
    [
        (
            "k<<<1, 1, 0, stream>>>(out);",
            "int64_t helper() { return 1; }\n__global__ void k(int64_t* o) { o[0] = helper(); }",
            'kernel.cu:5: error: calling a __host__ function("helper()") from a __global__ function("k")',
        ),
        (
            "out[0] = helper();",
            "__device__ int64_t helper() { return 1; }",
            'kernel.cu:5: error: calling a __device__ function("helper()") from a __host__ function("probe")',
        ),
        ("frobnicate(n);", "", 'kernel.cu:5: error: identifier "frobnicate" is undefined'),
        (
            "k<<<1, 1, 0, stream>>>(out);",
            "__global__ void k(int64_t* o) { __shared__ int64_t t[1 << 16]; t[o[0]] = 1; o[0] = t[o[1]]; }",
            "uses too much shared data",
        ),
    ],
)
def test_what_only_nvcc_knows_is_found(body: str, before: str, words: str) -> None:
    assert words in check(probe(body, before)).message


@needs_nvcc
def test_generated_call_is_named() -> None:
    assert "the generated call `probe(...)`" in check("#include <cstdint>\nvoid prob(int64_t*) {}\n").message


def test_machine_without_nvcc_checks_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (nvcc, gpu_build):
        monkeypatch.setattr(module, "find_nvcc", lambda: None)
    checker = NvccCheck(Cache(tmp_path))
    assert nvcc.describe().startswith("none (")
    assert checker.check(AXPY, "", confinement=strongest()) is None


@needs_nvcc
def test_both_halves_run_side_by_side() -> None:
    found = nvcc.find_nvcc()
    assert found is not None
    assert "cudafe++" in found.script
    assert "tmpxft" not in found.script


def test_unknown_plan_falls_back_to_the_whole_of_nvcc() -> None:
    script = nvcc._script(Path("/opt/cuda/bin/nvcc"), "#$ something else entirely\n")
    assert script == (
        "/opt/cuda/bin/nvcc -std=c++17 --expt-relaxed-constexpr --extended-lambda -arch=sm_90a -c kernel.cu -o kernel.o"
    )


def test_nvcc_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSKILL_NVCC", "none")
    assert nvcc.find_nvcc() is None
    assert nvcc.describe() == "none (kernels are not checked for GPUs; UPSKILL_NVCC is none)"


@pytest.mark.parametrize("broken", ["exit 1", "echo what"])
def test_nvcc_that_does_not_work_is_passed_over(broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvcc"
    program.write_text(f"#!/bin/sh\n{broken}\n")
    program.chmod(0o755)
    monkeypatch.setattr(nvcc, "_candidates", lambda: iter([program, tmp_path / "absent"]))
    assert nvcc.first_nvcc.__wrapped__() is None
