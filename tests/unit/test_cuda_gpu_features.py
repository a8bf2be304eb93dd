"""What only a GPU has, by name: PTX instructions, CUDA's names and headers; and what does not exist at all."""

from __future__ import annotations

import pytest

from pytest_upskill.languages.cuda import cuda_names
from pytest_upskill.languages.cuda.gpu_features import feature, message
from pytest_upskill.languages.cuda.ptx import replacement, statements, translate
from pytest_upskill.languages.cuda.ptx_instructions import Missing, Unsupported
from pytest_upskill.languages.cuda.rewrite import rewrite

NAMES = {
    "thrust::device_vector": "Thrust (thrust::device_vector)",
    "cub::DeviceReduce": "CUB's device-wide algorithms (cub::DeviceReduce)",
    "cub::BlockRadixSort": "this part of CUB (cub::BlockRadixSort)",
    "tex2D": "textures (tex2D)",
    "cudaMallocArray": "CUDA arrays (cudaMallocArray)",
    "cooperative_groups::this_cluster": "thread block clusters (cooperative_groups::this_cluster)",
    "CUtensorMap": "TMA (CUtensorMap)",
    "cudaGraphExec_t": "CUDA graphs (cudaGraphExec_t)",
    "__nv_fp8_e4m3": "the 8-, 6- and 4-bit floating types (__nv_fp8_e4m3)",
    "cuMemAlloc": "the driver API (cuMemAlloc)",
    "cusparseSpMV": "cuSPARSE (cusparseSpMV)",
    "curandStateScrambledSobol64": "cuRAND's Sobol generators (curandStateScrambledSobol64)",
    "cudaIpcOpenMemHandle": "memory of other programs (cudaIpcOpenMemHandle)",
    "cuda_fp8.h": "cuda_fp8.h",
    "cutlass/gemm/device/gemm.h": "CUTLASS (cutlass/gemm/device/gemm.h)",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_cuda_is_known_and_its_feature_is_named(name: str) -> None:
    assert cuda_names.is_name(name)
    assert feature(name) == NAMES[name]
    assert message(feature(name), "kernel.cu:3") == f"needs a GPU: {NAMES[name]}, kernel.cu:3"


@pytest.mark.parametrize(
    "name",
    [
        "cudaGraphInvent",
        "thrust::no_such_thing",
        "cuda::ptx::frobnicate",
        "size",
        "sort",
        "tex9D",
        "made/up.h",
        "std::sort",
    ],
)
def test_a_name_that_cuda_does_not_have_is_not_known(name: str) -> None:
    assert not cuda_names.is_name(name)


@pytest.mark.parametrize(
    "opcode",
    [
        "mbarrier.try_wait.parity.shared::cta.b64",
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile",
        "trap",
        "mov.b128",
        "mul.wide.u32",
        "shf.l.wrap.b32",
        "cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile.bulk_group",
    ],
)
def test_an_instruction_of_ptx_is_known(opcode: str) -> None:
    assert cuda_names.is_instruction(opcode)


@pytest.mark.parametrize(
    "opcode", ["frobnicate.u32", "mov.frob", "addl", "mov", "mma.sync.aligned.m7n7k7", "pause", ""]
)
def test_an_instruction_that_ptx_does_not_have_is_not_known(opcode: str) -> None:
    assert not cuda_names.is_instruction(opcode)


def code(source: str) -> str:
    return translate(next(statements(source)))


def test_inline_ptx_becomes_calls_that_keep_the_operands() -> None:
    assert code('asm("add.s32 %0, %1, %2;" : "=r"(sum) : "r"(a[i]), "n"(4));') == (
        "::upskill::cpu::ptx::put<int32_t>((sum), ::upskill::cpu::ptx::as<int32_t>((a[i])) + "
        "::upskill::cpu::ptx::as<int32_t>((4)))"
    )
    assert "(other)" in code('asm("mov.b32 %[to], %[from];" : [to] "=r"(other) : [from] "r"(x));')


def test_inline_ptx_in_a_macro_keeps_its_lines() -> None:
    source = '#define COMMIT() \\\n  asm volatile("cp.async.commit_group;\\n" \\\n               ::)\nint after;'
    text = rewrite(source).splitlines()
    assert text[-1] == "int after;"
    assert len(text) == len(source.splitlines()) + 3
    assert "upskill_cpu_async_commit()" in text[-3]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('asm("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0}, 1, 1, 1, 1, 1, 0, 0;" : "+f"(a));', "wgmma"),
        ('asm volatile("tcgen05.wait::ld.sync.aligned;");', "tcgen05"),
        ('asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(a));', "the PTX register %cluster_ctarank"),
        ('asm volatile("{ wait: bra wait; }");', "control flow in inline PTX"),
        ('asm volatile(MADE(1) "%0;" : "=r"(a));', "inline PTX that cannot be read"),
        ('asm("sqrt.approx.f16 %0, %1;" : "=h"(a) : "h"(b));', "the PTX instruction sqrt.approx.f16"),
        ('asm("add.s32 %0, %1, %7;" : "=r"(a) : "r"(b));', "inline PTX whose operand %7 is not given"),
        ('asm("shl.b32 %0, %1;" : "=r"(a) : "r"(b));', "the PTX instruction shl.b32 in this form"),
    ],
)
def test_ptx_that_is_not_there_is_named(source: str, problem: str) -> None:
    with pytest.raises(Unsupported, match=problem):
        code(source)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('asm volatile("frobnicate.sync;");', "PTX has no instruction 'frobnicate.sync'"),
        ('asm volatile("wgmma.fence.sync.aligned; rdtsc;");', "PTX has no instruction 'rdtsc'"),
        ('asm volatile(".incbin \\"x\\";");', "PTX has no directive '.incbin'"),
    ],
)
def test_what_ptx_does_not_have_is_an_error_in_a_kernel_and_stays_in_a_program(source: str, problem: str) -> None:
    with pytest.raises(Missing, match=problem):
        code(source)
    statement = next(statements(f"void f() {{ {source} }}"))
    assert problem in (replacement(statement) or "")
    assert replacement(statement, host_assembly=True) is None


@pytest.mark.parametrize(
    ("source", "is_global"),
    [
        ('asm(".section .rodata\\n.global secret");', True),
        ('namespace a {}\nasm(".global x;");', True),
        ('void f() { asm("bar.sync 0;"); }', False),
        ('#define WAIT() \\\n  asm("bar.sync 0;")', False),
    ],
)
def test_an_asm_outside_of_functions_is_of_the_host(source: str, is_global: bool) -> None:
    statement = next(statements(source))
    assert statement.is_global == is_global
    assert ("outside of functions" in (replacement(statement) or "")) == is_global
    assert (replacement(statement, host_assembly=True) is None) == is_global


def test_instructions_in_a_macro_of_the_source_are_read() -> None:
    assert "special_laneid" in rewrite('#define LANE "mov.u32 %0, %%laneid;"\nvoid f(int x) { asm(LANE : "=r"(x)); }')
