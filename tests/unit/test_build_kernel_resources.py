from __future__ import annotations

import pytest

from pytest_upskill.build.nvcc import MOST_KERNELS, kernel_resources, short_name
from pytest_upskill.records import KernelResources

OUTPUT = """
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'void softmax_kernel<float>(float*, float const*, long)' for 'sm_80'
ptxas info    : Function properties for void softmax_kernel<float>(float*, float const*, long)
    64 bytes stack frame, 12 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 64 bytes cumulative stack size, 1024 bytes smem, 392 bytes cmem[0]
ptxas info    : Compile time = 11.104 ms
ptxas info    : Function properties for a_device_function
    8 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
ptxas info    : Compiling entry function 'copy' for 'sm_90a'
ptxas info    : Function properties for copy
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers
"""


def test_registers_spills_and_shared_memory_are_read() -> None:
    assert kernel_resources(OUTPUT) == (
        KernelResources("softmax_kernel<float>", "sm_80", 255, 64, 12, 24, 1024),
        KernelResources("copy", "sm_90a", 8),
    )


def test_output_without_kernels_has_no_resources() -> None:
    assert kernel_resources("kernel.cu(3): warning: what\n") == ()


def test_a_flood_of_instantiations_is_cut_off() -> None:
    one = OUTPUT[OUTPUT.index("ptxas info    : Compiling entry function 'copy'") :]
    assert len(kernel_resources(one * 100)) == MOST_KERNELS


@pytest.mark.parametrize(
    ("demangled", "name"),
    [
        ("void k<float>(float*)", "k<float>"),
        ("copy", "copy"),
        ("void (anonymous namespace)::k<(int)4>(int)", "(anonymous namespace)::k<(int)4>"),
        ("void a::b<c<int (*)(int)> >(d)", "a::b<c<int (*)(int)> >"),
    ],
)
def test_a_name_goes_without_parameters(demangled: str, name: str) -> None:
    assert short_name(demangled) == name
