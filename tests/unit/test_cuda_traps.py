"""What only a GPU has becomes a trap where it would run, and is taken out where it is only declared."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_upskill.devices.choose import CpuMachine
from pytest_upskill.languages.cuda import cuda_names
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.languages.cuda.traps import mentions, trapped
from pytest_upskill.records import Build
from pytest_upskill.sandbox.confinement import strongest

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")


def with_traps(source: str) -> str | None:
    ask = functools.partial(HostCompiler().diagnose, source, "", confinement=strongest())
    return trapped(source, ask(source), ask, cuda_names.is_name, "kernel.cu")


SOURCE = """#include <thrust/sort.h>
struct Cached { cudaGraphExec_t graph; int uses; };
static Cached cached;
template <class T> __global__ void tensor(const __grid_constant__ CUtensorMap map, T* x) { *x = 1; }
__global__ void plain(float* x) { x[threadIdx.x] = 2; }
#define REPLAY(graph, stream) cudaGraphLaunch(graph, stream)
void launch(float* x, cudaStream_t stream, bool modern) {
  cudaGraph_t graph;
  if (modern) {
    CUtensorMap map;
    tensor<float><<<1, 1, 0, stream>>>(map, x); ++cached.uses;
  } else if (cudaGraphCreate(&graph, 0) == cudaSuccess)
    REPLAY(cached.graph, stream);
  plain<<<1, 32, 0, stream>>>(x);
  thrust::sort(x, x + 32);
}
"""


def test_statements_become_traps_and_what_they_need_is_taken_out() -> None:
    found = with_traps(SOURCE)
    assert found is not None
    lines = found.splitlines()
    assert len(lines) == len(SOURCE.splitlines())
    assert [lines[number].strip() for number in (0, 3, 7, 9, 14)] == [
        "", "", "", "", '::upskill::cpu::needs_gpu("Thrust (thrust::sort)");',
    ]  # fmt: skip
    assert lines[10].strip() == '::upskill::cpu::needs_gpu("TMA (CUtensorMap)"); ++cached.uses;'
    assert lines[11].strip() == '} else ::upskill::cpu::needs_gpu("CUDA graphs (cudaGraphCreate)");'
    assert lines[13] == "  plain<<<1, 32, 0, stream>>>(x);"
    assert "cudaGraphExec_t" not in found


@pytest.mark.parametrize("checked", [True, False])
def test_a_kernel_with_traps_is_traced_as_any_other(checked: bool) -> None:
    """Its sizes are steered as well; a mutant is never traced."""
    error = "kernel.cu:1:12: error: 'cudaGraph_t' was not declared in this scope"
    asked: list[bool] = []

    def build(
        source: str, entry: str, *, confinement: object, traced: bool = True, trapped: str | None = None
    ) -> Build:
        asked.append(traced)
        return Build(Path("kernel.so")) if trapped else Build(None, error)

    language, machine = CudaLanguage(), CpuMachine("cpu", strongest())
    language._nvcc = SimpleNamespace(check=lambda *_, **__: None)  # type: ignore[assignment]
    language._host = SimpleNamespace(  # type: ignore[assignment]
        build=build, diagnose=lambda source, entry, text, confinement: error if "cudaGraph_t" in text else ""
    )
    assert language.build({"kernel.cu": "void f() { cudaGraph_t graph; }"}, "", machine, checked=checked).ok
    assert asked == [checked, checked]


@pytest.mark.parametrize(
    "source",
    [
        "void f() { cudaGraphInvent(1); }",
        "void f(cudaStream_t s) { cudaGraph_t graph; s = 5.0; }",
        "void f() { int size = count; }",
        '#include "made/up.h"',
        "void f() { thrust::no_such_thing(1); }",
    ],
)
def test_an_error_of_the_source_stays_one_whatever_stands_beside_it(source: str) -> None:
    assert with_traps(source) is None


def test_names_are_read_from_messages_with_their_macro() -> None:
    said = (
        "kernel.cu:7:9: error: 'cudaGraphLaunch' was not declared in this scope; did you mean 'cudaLaunch'?\n"
        "    7 | #define REPLAY cudaGraphLaunch()\n"
        "kernel.cu:9:3: note: in expansion of macro 'REPLAY'\n"
    )
    found = [one for one in mentions(said) if one.unknown]
    assert [(one.name, one.line, one.macro) for one in found] == [("cudaGraphLaunch", 7, ("REPLAY", 9))]
