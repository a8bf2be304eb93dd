"""Which growth of work is too much: decided from counts alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from pytest_upskill.languages.python.growth import MOST_ELEMENTS, Counts, Growth
from pytest_upskill.records import Call, TensorArgument

SHAPES = [(1, 1), (17, 3), (64, 1024), (256, 5), (20, 200), (200, 200), (3, 1000), (2, 40)]


def call(rows: int, cols: int, instantiation: int = 0) -> Call:
    out, x = TensorArgument("out", "output", "float32", (rows,)), TensorArgument("x", "input", "float32", (rows, cols))
    return Call(instantiation, (out, x))


def judged(work: Callable[[int, int], int], shapes: list[tuple[int, int]] = SHAPES) -> tuple[bool, str]:
    growth = Growth()
    for shape in shapes:
        growth.see(call(*shape), ran=True)

    def count(one: Call) -> Counts:
        rows, cols = one.arguments[1].shape  # type: ignore[union-attr]
        return Counts(work(rows, cols), 0, 0, {3: 7, 4: work(rows, cols) - 7})

    found = growth.assertion(count)
    return found.passed, found.message


@pytest.mark.parametrize(
    "work",
    [
        lambda rows, cols: 300,
        lambda rows, cols: 300 + 60 * math.ceil(math.log2(cols + 1)),
        lambda rows, cols: 300 + 60 * min(16, cols) + 60 * min(8, rows),
        lambda rows, cols: 300 + 60 * math.ceil(rows * cols / 4096),
        lambda rows, cols: 300 if rows > 1 else 20,
        lambda rows, cols: 300 + 40 * math.isqrt(cols),
        lambda rows, cols: 300 + 160 * math.ceil(math.log2(cols + 1)) + 160 * math.ceil(math.log2(rows + 1)),
    ],
    ids=["constant", "doubling", "fixed-blocks", "large-blocks", "branch", "root", "two-trees"],
)
def test_bounded_and_logarithmic_work_is_no_growth(work: Callable[[int, int], int]) -> None:
    assert judged(work) == (True, "")


@pytest.mark.parametrize(
    ("work", "what"),
    [
        (lambda rows, cols: 300 + 8 * rows, "x.shape[0]: with"),
        (lambda rows, cols: 300 + 8 * cols, "x.shape[1]: with"),
        (lambda rows, cols: 300 + 8 * rows * cols, "grows with"),
        (lambda rows, cols: 300 + 30 * (cols // 8), "x.shape[1]: with"),
    ],
    ids=["rows", "columns", "elements", "small-blocks"],
)
def test_a_step_for_each_row_column_or_element_is_growth(work: Callable[[int, int], int], what: str) -> None:
    passed, message = judged(work)
    assert not passed
    assert what in message
    assert message.startswith("kernel.py:4: the work done in Python grows with ")
    assert "; this line grows most (" in message


def test_objects_count_as_work() -> None:
    growth = Growth()
    for shape in SHAPES:
        growth.see(call(*shape), ran=True)
    found = growth.assertion(lambda one: Counts(10, 1, 40 * one.arguments[1].elements, {}))  # type: ignore[union-attr]
    assert not found.passed
    assert "bytes of objects" in found.message


def test_sizes_that_hardly_differ_are_a_note_and_no_failure() -> None:
    assert judged(lambda rows, cols: rows, [(4, 5), (8, 9)]) == (
        True,
        "not measured: all examples are of about the same size",
    )


def test_what_cannot_be_counted_fails() -> None:
    growth = Growth()
    for shape in SHAPES:
        growth.see(call(*shape), ran=True)
    found = growth.assertion(lambda one: "its process did not tell")
    assert (found.passed, found.message) == (False, "its work cannot be counted: its process did not tell")


def test_a_function_that_did_not_run_is_not_tried() -> None:
    growth = Growth()
    growth.see(call(3, 3), ran=False)
    assert growth.assertion(lambda one: "").message == "not tried: the function did not run"


def test_large_calls_and_those_of_other_dtypes_are_not_counted() -> None:
    growth = Growth()
    growth.see(call(MOST_ELEMENTS, 2), ran=True)
    growth.see(call(40, 2, instantiation=1), ran=True)
    assert growth.assertion(lambda one: pytest.fail("nothing is left to count")).passed
