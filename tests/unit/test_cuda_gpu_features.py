"""What only a GPU has is found in the source, with its line; what the cpu device has is not."""

from __future__ import annotations

import pytest

from pytest_upskill.languages.cuda.gpu_features import message, needs_gpu
from pytest_upskill.languages.cuda.ptx import statements, translate
from pytest_upskill.languages.cuda.ptx_instructions import Unsupported
from pytest_upskill.languages.cuda.rewrite import rewrite

NEEDS = {
    "#include <cutlass/gemm/device/gemm.h>": "CUTLASS",
    '#include "cute/tensor.hpp"': "CuTe (CUTLASS)",
    "#include <thrust/sort.h>": "Thrust",
    "#include <cuda_fp8.h>": "the header cuda_fp8.h",
    "#include <cub/block/block_radix_sort.cuh>": "the header cub/block/block_radix_sort.cuh",
    "#include <cudnn.h>": "the header cudnn.h",
    "using Sort = cub::BlockRadixSort<int, 64, 1>;": "this part of CUB",
    "cub::DeviceReduce::Sum(p, n, x, y, 4);": "CUB's device-wide algorithms",
    "float x = tex2D<float>(texture, 1, 2);": "textures",
    "cudaTextureObject_t texture;": "textures",
    "auto cluster = cooperative_groups::this_cluster();": "thread block clusters",
    "__global__ void __cluster_dims__(2, 1, 1) k() {}": "thread block clusters",
    "const __grid_constant__ CUtensorMap map;": "TMA",
    "cublasSgemm(handle, a, b);": "cuBLAS",
    "cudaGraph_t graph;": "CUDA graphs",
    "__nv_fp8_e4m3 x;": "the 8-, 6- and 4-bit floating types",
    '__device__ void f() { asm volatile("wgmma.fence.sync.aligned;\\n" ::: "memory"); }': "wgmma",
    'asm volatile("cp.async.bulk.commit_group;");': "TMA (cp.async.bulk)",
    'asm("mbarrier.init.shared.b64 [%0], %1;" ::"r"(a), "r"(1));': "the PTX instruction mbarrier.init.shared.b64",
    'asm volatile("{ wait: bra wait; }");': "control flow in inline PTX",
    'asm volatile(INSTRUCTION "%0;" : "=r"(x));': "inline PTX that cannot be read",
    "void c();\n__global__ void k() { c << <1, 1 >> >(); }": "dynamic parallelism (a launch within a kernel)",
    "__global__ void c();\n__global__ void k() { c<<<1, 1>>>(); }": "dynamic parallelism (a launch within a kernel)",
}


@pytest.mark.parametrize("source", NEEDS)
def test_what_a_kernel_asks_for_is_named_with_its_line(source: str) -> None:
    found = needs_gpu(f"// first line\n\n{source}\n")
    assert found is not None
    assert found == (NEEDS[source], 3 + source.count("\n"))


HAS = [
    "// #include <cutlass/cutlass.h>",
    '/* tex2D(t, 0, 0) */ const char* text = "wgmma tex2D( cublasSgemm(";',
    "#include <cooperative_groups/memcpy_async.h>\n#include <cub/cub.cuh>\n#include <cuda/pipeline>\n#include <mma.h>",
    "cub::BlockReduce<float, 256>::TempStorage storage; cub::BlockScan<int, 64> scan;",
    'asm volatile("mov.u32 %0, %%laneid;" : "=r"(x));',
    'asm volatile("" ::: "memory");',
    "__global__ void k(float* x) { x[0] = 1; }\nvoid f(float* x) { k<<<1, 1>>>(x); }",
]


@pytest.mark.parametrize("source", HAS)
def test_what_is_there_or_only_mentioned_needs_no_gpu(source: str) -> None:
    assert needs_gpu(source) is None


def test_the_first_of_several_needs_is_told() -> None:
    assert needs_gpu("int x;\ncudaGraph_t g;\n#include <cutlass/cutlass.h>\n") == ("CUDA graphs", 2)
    assert message(("CUDA graphs", 2)) == "needs a GPU: CUDA graphs, kernel.cu:2"


def test_a_whole_program_may_call_cublas() -> None:
    assert needs_gpu("cublasSgemm(h, a);", program=True) is None


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
        ('asm("sqrt.approx.f16 %0, %1;" : "=h"(a) : "h"(b));', "the PTX instruction sqrt.approx.f16"),
        ('asm("add.s32 %0, %1, %7;" : "=r"(a) : "r"(b));', "inline PTX whose operand %7 is not given"),
        ('asm("shl.b32 %0, %1;" : "=r"(a) : "r"(b));', "the PTX instruction shl.b32 in this form"),
    ],
)
def test_ptx_that_is_not_there_is_named(source: str, problem: str) -> None:
    with pytest.raises(Unsupported, match=problem):
        code(source)
