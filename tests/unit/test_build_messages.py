from __future__ import annotations

import pytest

from pytest_upskill.build.messages import shorten, unknown_names

ENTRY = """
extern "C" void upskill_entry(int upskill_i, void* const* upskill_a, cudaStream_t upskill_s) {
  switch (upskill_i) {
    case 0: ::rms_norm<float>(static_cast<float*>(upskill_a[0]), upskill_s); break;
    case 1: ::rms_norm<__half>(static_cast<__half*>(upskill_a[0]), upskill_s); break;
  }
}
"""


def test_errors_stay_and_warnings_go() -> None:
    output = (
        "kernel.cu:3:7: warning: unused variable 'a' [-Wunused-variable]\n"
        "kernel.cu:9:11: error: 'foo' was not declared in this scope\n"
        "kernel.cu:2:1: note: declared here\n"
    )
    assert shorten(output, ENTRY) == (
        "kernel.cu:9: error: 'foo' was not declared in this scope\nkernel.cu:2: note: declared here"
    )


def test_line_of_the_generated_code_is_named_after_its_call() -> None:
    output = "upskill_entry.cu:5:13: error: no matching function for call to 'rms_norm<__half>(__half*&)'\n"
    assert shorten(output, ENTRY) == (
        "the generated call `rms_norm<__half>(...)`: "
        "error: no matching function for call to 'rms_norm<__half>(__half*&)'"
    )


def test_line_of_the_generated_code_without_a_call_is_named_too() -> None:
    output = "upskill_entry.cu:99:1: error: expected '}' at end of input\n"
    assert shorten(output, ENTRY).startswith("the generated code after the kernel: error: expected '}'")


def test_instantiation_stays_with_the_error_it_leads_to() -> None:
    output = (
        "kernel.cu: In instantiation of 'void f(T) [with T = float]':\n"
        "upskill_entry.cu:4:22:   required from here\n"
        "kernel.cu:7:5: error: invalid operands\n"
        "kernel.cu: In function 'void g()':\n"
        "kernel.cu:12:3: warning: something else\n"
    )
    assert shorten(output, ENTRY).splitlines() == [
        "kernel.cu: In instantiation of 'void f(T) [with T = float]':",
        "the generated call `rms_norm<float>(...)`: required from here",
        "kernel.cu:7: error: invalid operands",
    ]


def test_error_in_our_headers_begins_with_the_line_that_led_there() -> None:
    ours = "/site/pytest_upskill/native/cpu/include/cooperative_groups.h"
    output = (
        f"In file included from {ours}:3,\n"
        "                 from /cache/upskill_cpu.h:31:\n"
        f"{ours}: In instantiation of 'class warps_tile<33>':\n"
        "kernel.cu:5:38:   required from here\n"
        f"{ours}:143:3: error: static assertion failed: the size of a tile is a power of two\n"
    )
    assert shorten(output, ENTRY).splitlines() == [
        "kernel.cu:5: error: static assertion failed: the size of a tile is a power of two",
        f"{ours}: In instantiation of 'class warps_tile<33>':",
        "kernel.cu:5: required from here",
        "cooperative_groups.h:143: error: static assertion failed: the size of a tile is a power of two",
    ]


def test_way_to_our_headers_is_left_out_of_notes() -> None:
    output = (
        "kernel.cu:3:12: error: no matching function for call to 'atomicAdd(short*&, int)'\n"
        "In file included from /site/pytest_upskill/native/cpu/include/cuda_runtime.h:12,\n"
        "                 from /cache/upskill_cpu.h:31:\n"
        "/site/pytest_upskill/native/cpu/include/upskill_cpu/atomics.h:9:5: note: candidate: 'int atomicAdd(int*)'\n"
    )
    assert shorten(output, ENTRY).splitlines() == [
        "kernel.cu:3: error: no matching function for call to 'atomicAdd(short*&, int)'",
        "atomics.h:9: note: candidate: 'int atomicAdd(int*)'",
    ]


def test_form_of_nvcc_is_the_same_in_the_end() -> None:
    output = (
        'kernel.cu(8): error: calling a __host__ function("h(float)") from a __global__ function("k") is not allowed\n'
    )
    assert shorten(output, ENTRY).startswith("kernel.cu:8: error: calling a __host__ function")


def test_flood_of_errors_is_cut_with_a_count() -> None:
    output = "".join(f"kernel.cu:{n}:1: error: problem {n}\n" for n in range(1, 101))
    lines = shorten(output, ENTRY).splitlines()
    assert len(lines) == 41
    assert lines[-1] == "... and 60 more lines"


def test_prefixes_of_ours_and_folders_are_left_out() -> None:
    output = "/cache/scratch/1-ab/kernel.cu:3:1: error: no match for 'upskill::cpu::Launcher'\n"
    assert shorten(output, ENTRY, ["upskill::cpu::"]) == "kernel.cu:3: error: no match for 'Launcher'"


def test_output_without_any_known_form_is_kept() -> None:
    assert shorten("something odd happened\n", ENTRY) == "something odd happened"


def test_error_of_the_linker_is_an_error() -> None:
    output = "/usr/bin/ld: kernel.o: in function `f':\nkernel.cu:3: undefined reference to `missing()'\n"
    assert "kernel.cu:3: undefined reference to `missing()'" in shorten(output, ENTRY)


UNKNOWN = {
    "'cudaFoo' was not declared in this scope; did you mean 'cudaFree'?": "cudaFoo",
    "'foo' is not a member of 'cg'": "foo",
    "'cudaFoo_t' does not name a type": "cudaFoo_t",
    "'foo_t' in namespace 'cooperative_groups::v1' does not name a type": "foo_t",
    "'struct cudaDeviceProp' has no member named 'foo'": "foo",
    "there are no arguments to '__foo' that depend on a template parameter, so a declaration": "__foo",
    "foo.h: No such file or directory": "foo.h",
    "use of undeclared identifier 'cudaFoo'": "cudaFoo",
    "'foo.h' file not found": "foo.h",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_name_that_a_compiler_does_not_know_is_found(text: str) -> None:
    assert unknown_names(text) == [UNKNOWN[text]]


@pytest.mark.parametrize(
    "text",
    ['attempt to use poisoned "no_sanitize"', "expected ';' before 'x'", "cannot convert 'int' to 'cudaStream_t'"],
)
def test_other_errors_name_nothing_unknown(text: str) -> None:
    assert unknown_names(text) == []
