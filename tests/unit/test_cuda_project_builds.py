"""Projects for cuda before a compiler sees them: what sources may name, what is compiled, what needs a GPU."""

# ruff: noqa: E501 - one line for each mistake and what is said of it

from __future__ import annotations

import pytest

from pytest_upskill.languages.cuda import symbol_policy
from pytest_upskill.languages.torch_extension import build_toml, compiler, cuda_compiler, generated
from tests.unit.cuda_project_cases import FILES

PLACE = "scale_rows_cuda/scale_rows.cu"


def rewritten(text: str) -> str:
    return dict(cuda_compiler._rewritten({**FILES, PLACE: text}, [PLACE], compiler.headers()))[PLACE]


def test_kernels_are_rewritten_after_the_headers_that_they_include() -> None:
    text = rewritten(FILES[PLACE])
    head, _, body = text.partition(f'#line 1 "{PLACE}"\n')
    assert "#include <ATen/cuda/CUDAContext.h>" in head
    assert "#include <c10/cuda/CUDAGraphsC10Utils.h>" in head
    assert "#pragma GCC poison no_sanitize" in head
    assert "<<<" not in body
    assert body.count("\n") == FILES[PLACE].count("\n")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("void* f() { return upskill_clear_reports; }", f"{PLACE}:1: 'upskill' is a name of the harness"),
        ("// a comment\ncublasHandle_t handle;", f"{PLACE}:2: 'cublasHandle_t' is a name of a library of ready-made kernels"),
        ("// cublasSgemm would do it", ""),
        ("k<<<1, 1>>>(x;", f"{PLACE}:1: the launch's argument list has no end"),
    ],
)  # fmt: skip
def test_what_sources_may_not_have(more: str, says: str) -> None:
    try:
        found = rewritten(f"{more}\n{FILES[PLACE]}")
    except ValueError as error:
        found = str(error)
    assert (says in found) if says else more in found


@pytest.mark.parametrize(
    ("said", "needs"),
    [
        ("a.cu:2:3: error: 'cudaGraph_t' was not declared in this scope", "needs a GPU: CUDA graphs (cudaGraph_t), a.cu:2"),
        ("a.cu:2:3: error: 'cudaGraff_t' was not declared in this scope", ""),
        ("ld: a.cu:2: warning: undefined reference to `at::cuda::clearCublasWorkspaces()'", "needs a GPU: at::cuda::clearCublasWorkspaces"),
        ("ld: a.cu:2: warning: undefined reference to `at::cuda::made_up()'", ""),
        ("ld: a.cu:2: warning: undefined reference to `PyModule_Create2'", ""),
        ("ld: a.cu:2: warning: undefined reference to `scale(float)'", ""),
    ],
)  # fmt: skip
def test_only_names_that_exist_need_a_gpu(said: str, needs: str) -> None:
    assert cuda_compiler._needs(said) == needs


def test_functions_of_the_system_and_of_cuda_that_no_kernel_calls() -> None:
    allowed = ["cudaMalloc", "_ZN2at4_ops10empty_like4callEv", "PyModule_Create2", "malloc", "upskill_cpu_launch"]
    assert list(symbol_policy.forbidden_calls(allowed)) == []
    for name, why in {"fopen": "use files", "cudaMallocManaged": "share", "upskill_report": "the harness"}.items():
        assert why in next(symbol_policy.forbidden_calls([name]))


def test_kernels_and_bindings_are_units_of_a_build_for_cuda() -> None:
    build = build_toml.read(FILES)
    assert [path for path, _, _ in compiler.units(build, "cuda")] == ["torch-ext/torch_binding.cpp", PLACE]
    names = generated.names(build, "cuda", FILES, "2.13.0", "x86_64")
    assert names.variant == "torch213-cxx11-cu130-x86_64-linux"
