"""Whole programs in the styles in which CUDA is written: each runs here, checks itself, and is not reported on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_upskill.commands.run_program import command
from tests.sampling import every

PROGRAMS = Path(__file__).resolve().parents[1] / "native" / "programs"
CHECKED = sorted(path for path in PROGRAMS.glob("*.cu") if '#include "checked.cuh"' in path.read_text())

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")


def test_there_are_programs_in_many_styles() -> None:
    assert len(CHECKED) >= 20


@pytest.mark.parametrize("program", every(3, CHECKED, lambda path: path.stem))
def test_a_program_is_right_and_nothing_is_reported(program: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = command.main([str(program)], standalone_mode=False)
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines()[-1].endswith(": right")
    assert status == 0


def test_threads_print_in_the_order_in_which_they_are_let(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(PROGRAMS / "hello.cu")], standalone_mode=False) == 0
    greetings = [f"hello from thread {thread} of block 0" for thread in range(3)]
    assert capfd.readouterr().out.splitlines() == [*greetings, "1 block"]


WRONG = {
    "race: race on element 0": """
#include <thread>
__global__ void all(int* p) { *p = threadIdx.x; }
__global__ void own(int* p) { p[threadIdx.x] = threadIdx.x; }
int main() {
  auto launch = [](void (*kernel)(int*)) {
    int* p;
    cudaMalloc(&p, 128);
    for (int i = 0; i < 3; ++i) kernel<<<1, 32>>>(p);
  };
  std::thread right(launch, own), wrong(launch, all);
  right.join();
  wrong.join();
}""",
    "host-access: host code makes a write": """
#include <thread>
__global__ void one(int* p) { *p = 1; }
int main() {
  int* p;
  cudaMalloc(&p, 4);
  std::thread([p] { one<<<1, 1>>>(p); }).join();
  std::thread([p] { *p = 1; }).join();
}""",
    "uninitialised: read of 4 bytes of memory from cudaMalloc, at byte 8": """
#include <cublas_v2.h>
__global__ void read(const float* p, float* sum) { *sum = p[0] + p[1] + p[2]; }
int main() {
  float one = 1, two = 2, *a, *c;  // a product of two numbers in each column of three
  cudaMalloc(&a, 4);
  cudaMalloc(&c, 24);
  cudaMemcpy(a, &two, 4, cudaMemcpyHostToDevice);
  cublasSgemm(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, a, 1, &one, c, 3);
  cudaMemset(c + 1, 0, 4);
  read<<<1, 1>>>(c, a);
}""",
}


@pytest.mark.parametrize("report", WRONG)
def test_a_fault_beside_host_threads_and_libraries_is_reported(
    report: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.cu"
    program.write_text(WRONG[report])
    status = command.main([str(program)], standalone_mode=False)
    err = capfd.readouterr().err
    assert (status, err.count(report), err.splitlines()[-1]) == (66, 1, "pytest-upskill run: 1 reported")


def test_nothing_of_a_launch_is_kept_whatever_its_many_blocks_did(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(PROGRAMS / "many_blocks.cu")], standalone_mode=False) == 0
    assert capfd.readouterr().out.splitlines() == ["few during copies", "none kept"]
