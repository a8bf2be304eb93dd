"""The line of a CUDA kernel that is shown where no line is known to be at fault."""

from __future__ import annotations

from pytest_upskill.languages.cuda.language import line_to_show
from tests.unit.reporting_outcomes import SOURCE


def test_the_line_that_writes_an_output_is_found_through_the_kernels_own_name() -> None:
    assert line_to_show(SOURCE, "out") == (14, "where y is written")


def test_the_outputs_own_name_is_preferred() -> None:
    source = "__global__ void k(float* tmp, float* out) {\n  tmp[0] = 1;\n  out[0] += tmp[0];\n}"
    assert line_to_show(source, "out") == (3, "where out is written")


def test_a_comparison_is_no_write() -> None:
    source = "__global__ void k(float* out) {\n  if (out[0] == 1) return;\n  *out = 2;\n}"
    assert line_to_show(source, "out") == (1, "the kernel")


def test_a_const_pointer_is_not_written() -> None:
    source = "__global__ void __launch_bounds__(256) k(const float* x, float* __restrict__ y) {\n  y[0] = x[0];\n}"
    assert line_to_show(source, None) == (2, "where y is written")


def test_a_source_without_a_kernel_has_nothing_to_show() -> None:
    assert line_to_show("void f() { out[0] = 1; }", "out") is None
