"""python -m pytest_upskill run: a whole CUDA program is compiled, run where it was called, and reported on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.languages.cuda import program

PROGRAMS = Path(__file__).resolve().parents[1] / "native" / "programs"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")


def run_program(
    *arguments: str, folder: Path = PROGRAMS, typed: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_upskill", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


SAXPY = ("-I", "include", "-D", "COUNT=1000", "saxpy.cu")


def test_a_sound_program_runs_with_its_arguments_and_its_exit_status() -> None:
    ran = run_program(*SAXPY, "--", "0", "5")
    assert (ran.returncode, ran.stdout, ran.stderr) == (5, "y[0] = 5\n", "")


def test_what_is_wrong_is_told_with_the_users_file_and_line() -> None:
    ran = run_program(*SAXPY, "--", "3")
    assert ran.returncode == 66
    assert ran.stdout == "y[0] = 5\n"
    assert "saxpy.cuh:6: out-of-bounds: " in ran.stderr
    assert "element 997 of memory from cudaMalloc" in ran.stderr
    assert "in kernel saxpy, block (7,0,0), thread (101,0,0)" in ran.stderr
    assert "pytest-upskill run: 1 reported" in ran.stderr


def test_without_checks_nothing_is_reported() -> None:
    ran = run_program("--no-checks", *SAXPY, "--", "3", "4")
    assert (ran.returncode, ran.stderr) == (4, "")


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("int main() { return undefined_name; }", 2, "program.cu:1: error: 'undefined_name' was not declared"),
        (
            "#include <thrust/sort.h>\nint main() { thrust::sort(0, 0); cuInit(0); }",
            2,
            "needs a GPU: Thrust (thrust), program.cu:2",
        ),
        ("#include <thrust/sort.h>\n#ifdef NEVER\n#include <cudnn.h>\n#endif\nint main() { return 3; }", 3, ""),
        (
            "texture<float> t;\nint main() {\n cufftHandle f;\n cuInit(0); }",
            2,
            "needs a GPU: the driver API (cuInit), program.cu:4",
        ),
        ('int main() { int x = 1; asm("addl $4, %0" : "+r"(x)); return x; }', 5, ""),
        (
            '__global__ void k(int n) { if (n == 2) asm volatile("tcgen05.wait::ld.sync.aligned;"); }\n'
            "int main(int n, char**) { k<<<1, 1>>>(n); k<<<1, 1>>>(2); cudaDeviceSynchronize(); }",
            2,
            "needs a GPU: tcgen05, program.cu:1",
        ),
        ("__global__ void k() {}\nint main() { k << <1, 1 >> > (); }", 0, ""),
        ("__global__ void k() {}\nint main() { k<<<1, 1>>(); }", 2, "program.cu:2: the launch that begins with '<<<'"),
        ("int main() { __builtin_trap(); }", 132, "the program was killed by signal 4"),
        (
            '#include "cublas_v2.h"\n#include "cublasLt.h"\n#include <cstdio>\n'
            "int main() { cublasHandle_t h; cublasCreate(&h); float a[4] = {1, 2, 3, 4}, c[4], one = 1, zero = 0;\n"
            " cublasSgemm(h, CUBLAS_OP_N, CUBLAS_OP_T, 2, 2, 2, &one, a, 2, a, 2, &zero, c, 2);\n"
            " return c[0] == 10 && c[1] == 14 && c[3] == 20 ? 7 : 1; }",
            7,
            "",
        ),
    ],
)
def test_what_becomes_of_a_program_is_clear(tmp_path: Path, source: str, status: int, said: str) -> None:
    (tmp_path / "program.cu").write_text(source)
    ran = run_program("program.cu", folder=tmp_path, LC_ALL="C")
    assert ran.returncode == status, ran.stderr
    assert said in ran.stderr


def test_a_program_that_hangs_is_interrupted_with_the_line_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "hangs.cu").write_text(
        "#include <cstdio>\n"
        "__global__ void hangs(volatile int* flag) {\n"
        '  printf("running\\n");\n'
        "  while (*flag == 0) {}\n"
        "}\n"
        "int main() { setbuf(stdout, nullptr); int* flag; cudaMalloc(&flag, 4); cudaMemset(flag, 0, 4);\n"
        " hangs<<<1, 1>>>(flag); return cudaDeviceSynchronize(); }\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-m", "pytest_upskill", "run", "hangs.cu"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "running\n"
    os.killpg(started.pid, signal.SIGINT)
    try:
        _, said = started.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        raise
    assert said.startswith(
        "hangs.cu:4: interrupted: still running when it was interrupted, in kernel hangs, block (0,0,0)"
    )
    assert started.returncode == 66


def test_sigterm_leaves_neither_a_folder_nor_a_process(tmp_path: Path) -> None:
    (tmp_path / "waits.cu").write_text(
        "#include <cstdio>\n#include <unistd.h>\n"
        'int main() { printf("%d\\n", getpid()); fflush(stdout); for (;;) pause(); }\n'
    )
    (tmp_path / "tmp").mkdir()
    started = subprocess.Popen(
        [sys.executable, "-m", "pytest_upskill", "run", "waits.cu"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    program = int(started.stdout.readline())
    assert list((tmp_path / "tmp").iterdir())
    started.terminate()
    started.communicate(timeout=60)
    assert started.returncode == 128 + signal.SIGTERM
    assert not list((tmp_path / "tmp").iterdir())
    assert not Path(f"/proc/{program}").exists()


def test_sigterm_that_arrives_while_the_program_starts_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Slow(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with pytest.raises(SystemExit):
            program.run(Path(shutil.which("sleep") or ""), ["60"], tmp_path / "reports")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [one.returncode for one in started] == [-signal.SIGTERM]


def test_a_missing_file_and_a_missing_compiler_are_named(tmp_path: Path) -> None:
    missing = run_program("nothing.cu", folder=tmp_path)
    assert missing.returncode == 2
    assert "File 'nothing.cu' does not exist" in missing.stderr
    (tmp_path / "program.cu").write_text("int main() {}")
    bare = run_program("program.cu", folder=tmp_path, PATH=str(tmp_path), CXX="")
    assert bare.returncode == 2
    assert "no C++ compiler was found" in bare.stderr
    for words in ("apt-get install g++", "dnf install gcc-c++", "macOS: the device needs Linux"):
        assert words in bare.stderr


TWICE = """
#include "twice.cuh"
__global__ void k(int* x) { *x *= 2; }
int twice(int value) {
  int* x;
  cudaMallocManaged(&x, sizeof(int));
  *x = value;
  k<<<1, 1>>>(x);
  cudaDeviceSynchronize();
  value = *x;
  cudaFree(x);
  return value;
}
"""


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    (tmp_path / "main.cu").write_text('#include "twice.cuh"\nint main() { return twice(4); }\n')
    (tmp_path / "twice.cu").write_text(TWICE)
    (tmp_path / "twice.cuh").write_text("#pragma once\nint twice(int value);\n")
    return tmp_path


def test_a_program_of_several_files_is_linked(two_files: Path) -> None:
    ran = run_program("main.cu", "twice.cu", folder=two_files)
    assert (ran.returncode, ran.stderr) == (8, "")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("main.cu",), "main.cu:2: twice(int) is used, and defined in none of: main.cu; name the file that defines it"),
        (("twice.cu",), "there is no main function in twice.cu; name the file that has it, too"),
        (("main.cu", "twice.cu", "twice.cu"), "twice.cu:4: twice(int) is defined more than once"),
        (("-I", "nowhere", "main.cu"), "Invalid value for '-I': Directory 'nowhere' does not exist"),
        ((), "Missing argument 'FILE.cu..."),
    ],
)
def test_what_does_not_fit_together_is_told_without_a_linkers_words(
    two_files: Path, files: tuple[str, ...], said: str
) -> None:
    ran = run_program(*files, folder=two_files, LC_ALL="C")
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "upskill-" not in ran.stderr  # no path of ours


def test_the_help_says_how_arguments_and_the_exit_status_work() -> None:
    ran = run_program("--help")
    assert ran.returncode == 0
    assert "FILE.cu... [-- ARGUMENT...]" in ran.stdout
    text = " ".join(ran.stdout.split())
    assert "66 if something was reported, 2 if nothing could be run" in text
    assert "-I DIR Search this folder for headers" in text


def test_a_program_from_the_samples_runs_without_their_helpers_and_with_its_own(tmp_path: Path) -> None:
    source = (
        "#include <helper_cuda.h>\n#include <helper_functions.h>\n"
        "int main(int argc, char** argv) {\n"
        "  findCudaDevice(argc, (const char**)argv);\n"
        "  StopWatchInterface* timer; sdkCreateTimer(&timer); sdkStartTimer(&timer); sdkStopTimer(&timer);\n"
        '  if (!(sdkGetTimerValue(&timer) >= 0) || !checkCmdLineFlag(argc, (const char**)argv, "fast")) return 1;\n'
        "  checkCudaErrors(cudaDeviceSynchronize());\n"
        '  return getCmdLineArgumentInt(argc, (const char**)argv, "n=");\n}\n'
    )
    (tmp_path / "sample.cu").write_text(source)
    assert run_program("sample.cu", "--", "--n=9", "-fast", folder=tmp_path).returncode == 9
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "helper_cuda.h").write_text("#error the user's own\n")
    ran = run_program("-I", "common", "sample.cu", folder=tmp_path)
    assert "the user's own" in ran.stderr


HEAP = """
struct Node { int value; };
__device__ Node* kept;
__global__ void make() { kept = new Node{1}; }
__global__ void misuse(int how, int* out) {
  delete kept;
  if (how == 1) *out = kept->value;
  if (how == 2) delete kept;
}
int main(int argc, char**) {
  int* out;
  cudaMalloc(&out, sizeof(int));
  make<<<1, 1>>>();
  misuse<<<1, 1>>>(argc - 1, out);
  return 0;
}
"""


@pytest.mark.parametrize(("extra", "kind"), [(0, None), (1, "6: use-after-free"), (2, "7: double-free")])
def test_memory_that_a_kernel_has_made_is_checked_too(tmp_path: Path, extra: int, kind: str | None) -> None:
    (tmp_path / "heap.cu").write_text(HEAP.removeprefix("\n"))
    ran = run_program("heap.cu", "--", *["x"] * extra, folder=tmp_path)
    if kind is None:
        assert (ran.returncode, ran.stderr) == (0, "")
    else:
        assert ran.returncode == 66
        assert f"heap.cu:{kind}" in ran.stderr
        assert "memory from malloc (4 bytes) that was freed at heap.cu:5" in ran.stderr


def test_a_program_has_the_callers_input_and_folder(tmp_path: Path) -> None:
    source = '#include <cstdio>\nint main() { int c = getchar(); fprintf(fopen("written", "w"), "%c", c); }'
    (tmp_path / "program.cu").write_text(source)
    assert run_program("program.cu", folder=tmp_path, typed="x").returncode == 0
    assert (tmp_path / "written").read_text() == "x"


RACE = """
#include <cooperative_groups.h>
__device__ float partial[8], total;
__global__ void sum(bool wait) {
  if (threadIdx.x == 0) partial[blockIdx.x] = 1;
  if (wait) cooperative_groups::this_grid().sync();
  if (blockIdx.x == 7 && threadIdx.x == 0)
    for (int i = 0; i < 8; ++i) total += partial[i];
}
int main(int argc, char**) {
  bool wait = argc == 1;
  void* arguments[] = {&wait};
  cudaLaunchCooperativeKernel((void*)sum, 8, 32, arguments, 0, 0);
  return cudaDeviceSynchronize() != cudaSuccess;
}
"""


def test_a_race_between_blocks_is_told_with_both_places_and_a_grid_that_waits_is_silent(tmp_path: Path) -> None:
    (tmp_path / "race.cu").write_text(RACE.removeprefix("\n"))
    assert run_program("race.cu", folder=tmp_path).returncode == 0
    ran = run_program("race.cu", "--", "x", folder=tmp_path)
    assert ran.returncode == 66
    found = next(line for line in ran.stderr.splitlines() if "race: " in line)
    assert found.startswith("race.cu:7: race: ")
    assert "at race.cu:4" in found


def test_what_goes_wrong_inside_our_headers_is_told_with_the_users_line(tmp_path: Path) -> None:
    source = (
        "#include <cuda_runtime.h>\n"
        "__global__ void k() {\n"
        "  __syncthreads();\n"
        "  if (threadIdx.x < 40) __syncthreads();\n"
        "}\n"
        "int main() { k<<<1, 64>>>(); cudaDeviceSynchronize(); }\n"
    )
    (tmp_path / "program.cu").write_text(source)
    ran = run_program("program.cu", folder=tmp_path)
    assert ran.returncode == 66
    assert "program.cu:4: barrier-divergence: " in ran.stderr


def test_a_race_of_a_template_is_told_once_for_each_instance_by_name(tmp_path: Path) -> None:
    source = (
        "#include <cuda_runtime.h>\n"
        "namespace sums {\n"
        "template <class T, int N> __global__ void next(T* out) {\n"
        "  __shared__ T s[N];\n"
        "  s[threadIdx.x] = threadIdx.x;\n"
        "  out[threadIdx.x] = s[(threadIdx.x + 32) % N];\n"
        "}\n"
        "}\n"
        "template <class T> void both(T* out) {\n"
        "  sums::next<T, 64><<<2, 64>>>(out);\n"
        "  auto kernel = sums::next<T, 96>;\n"
        "  kernel<<<1, 96>>>(out);\n"
        "}\n"
        "int main() {\n"
        "  float* out;\n"
        "  cudaMalloc(&out, 1024);\n"
        "  both(out);\n"
        "  both((int*)out);\n"
        "  cudaDeviceSynchronize();\n"
        "}\n"
    )
    (tmp_path / "twice.cu").write_text(source)
    ran = run_program("twice.cu", folder=tmp_path)
    told = [line for line in ran.stderr.splitlines() if "race: " in line]
    instances = [f"sums::next<{name}>" for name in ("float, 64", "float, 96", "int, 64", "int, 96")]
    assert ran.returncode == 66
    assert [line.split(" in kernel ")[1].split(", block")[0] for line in told] == instances
