from __future__ import annotations

import ctypes
import re
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from pytest_upskill.build.nvcc import check_architecture, describe_toolkit, find_nvcc, find_toolkit
from pytest_upskill.contracts.launcher.signature import Signature, entry_source
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda.gpu_build import CudaCompiler
from pytest_upskill.records import Build
from pytest_upskill.sandbox.confinement import strongest
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, PROBE_SIGNATURE, probe

pytestmark = pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed: pip install nvidia-cuda-nvcc")


def build(source: str, signature: Signature = PROBE_SIGNATURE, *architectures: str) -> Build:
    return CudaCompiler(architectures or ("sm_90",)).build(source, entry_source(signature), confinement=strongest())


def test_a_kernel_becomes_a_library_that_shows_the_driver_and_the_entry_alone() -> None:
    first, second = (build(f"{AXPY}// {NONCE}\n", AXPY_SIGNATURE) for _ in range(2))
    assert first.library is not None, first.message
    assert (first.cached, second.cached) == (False, True)
    assert first.kernels == second.kernels
    assert {kernel.name for kernel in first.kernels} == {
        f"axpy_kernel<{ctype}>" for ctype in ("float", "__half", "__nv_bfloat16")
    }
    assert all(kernel.architecture == "sm_90" and kernel.registers > 0 for kernel in first.kernels)
    assert names(first.library, "-D") == ["T upskill_call", "T upskill_entry"]


NONCE = uuid.uuid4()


def names(library: Path, *options: str) -> list[str]:
    said = subprocess.run(["nm", "--defined-only", *options, library], capture_output=True, text=True, check=True)
    return sorted(line.split(maxsplit=1)[1] for line in said.stdout.splitlines())


def test_the_library_holds_the_runtime_and_asks_for_no_cuda_library() -> None:
    library = build(AXPY, AXPY_SIGNATURE).library
    assert library is not None
    said = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert "libcudart" not in said
    assert "libc.so" in said


COLLIDING = """
extern "C" __attribute__((visibility("default"))) cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
extern "C" __attribute__((weak, visibility("default"))) cudaError_t cudaStreamCreate(cudaStream_t*) { return {}; }
extern "C" __attribute__((visibility("default"))) const char* upskill_call(void*, void*, void*, size_t) {
  return "ok 0 0 0\\n";
}
extern "C" void upskill_configure(int, unsigned long, int) {}
"""


def test_names_of_the_driver_and_the_runtime_are_not_the_students_to_take() -> None:
    library = build(probe("", COLLIDING)).library
    assert library is not None
    loaded = ctypes.CDLL(str(library))
    loaded.upskill_call.restype = ctypes.c_char_p
    request = struct.pack("<IIIIQII", 0, 1, 0, 0, 0, 0, 0)
    said = loaded.upskill_call(None, None, request, ctypes.c_size_t(len(request)))
    assert said == b"device 0 0 0\nruns\tprotocol\t0\tthe request does not have the size that its header tells\n"
    assert names(library, "-D") == ["T upskill_call", "T upskill_entry"]


def test_several_architectures_lie_in_one_library() -> None:
    made = build(AXPY, AXPY_SIGNATURE, "sm_80", "sm_90", "sm_100")
    assert {kernel.architecture for kernel in made.kernels} == {"sm_80", "sm_90", "sm_100"}


def test_an_architecture_that_nvcc_does_not_know_is_named_with_those_it_knows() -> None:
    with pytest.raises(
        ToolchainError, match=r"does not know the architecture sm_999; it compiles for .*sm_90.*--upskill-arch"
    ):
        build(AXPY, AXPY_SIGNATURE, "sm_999")


def test_a_variant_of_a_known_architecture_is_known() -> None:
    check_architecture("sm_90a", find_toolkit())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("frobnicate(n);", 'kernel.cu:5: error: identifier "frobnicate" is undefined'),
        ("extern int nowhere(int); out[0] = nowhere(1);", "undefined reference to `nowhere(int)'"),
    ],
)
def test_messages_name_the_students_lines_and_say_nothing_of_resources(body: str, words: str) -> None:
    made = build(probe(body))
    assert not made.ok
    assert words in made.message
    assert "ptxas" not in made.message


def test_compiler_is_described_with_its_architectures() -> None:
    assert describe_toolkit(("sm_80", "sm_90")).endswith(" for sm_80, sm_90")


def test_what_the_students_object_calls_is_held_against_the_contract() -> None:
    made = build(probe("k<<<1, 1, 0, stream>>>(); if (n < 0) fork();", "#include <unistd.h>\n__global__ void k() {}"))
    assert made.ok, made.message
    assert made.violations == ("the kernel calls 'fork'; kernels may not start processes: remove the call",)


def test_honest_kernel_has_no_violation_although_the_runtime_in_its_library_loads_code() -> None:
    made = build(AXPY, AXPY_SIGNATURE)
    assert made.violations == ()
    assert made.library is not None
    assert "U dlopen" in " ".join(undefined(made.library))


def test_launches_and_copies_of_the_students_go_through_the_count_and_the_drivers_do_not() -> None:
    body = "int64_t h; k<<<1, 1, 0, stream>>>(); cudaMemcpy(&h, x, 8, cudaMemcpyDeviceToHost);"
    library = build(probe(body, "__global__ void k() {}")).library
    assert library is not None
    said = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True)
    called = set(re.findall(r"call\s+\w+ <(upskill_counted_\w+)>", said.stdout))
    assert {"upskill_counted___cudaLaunchKernel", "upskill_counted_cudaMemcpy"} <= called
    assert re.search(r"call\s+\w+ <cudaMemcpy>", said.stdout), "the driver's own copies"


def undefined(library: Path) -> list[str]:
    said = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    return [" ".join(line.split()).partition("@")[0] for line in said.stdout.splitlines()]
