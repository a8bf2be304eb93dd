"""Steering: sizes at which a kernel takes other branches, found from what a traced build reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.steering import Steering
from pytest_upskill.records import Call, Example, ScalarArgument, Trace
from tests.unit.oracle_kernels import make_case

Program = Callable[["Code", Mapping[str, int]], None]


class Code:
    """Records what a program executes, in place of a compiled kernel; counts the calls."""

    def __init__(self, program: Program, blocks: Mapping[str, int]) -> None:
        self.blocks, self.comparisons = blocks, dict.fromkeys("abcdef", 1)
        self._program, self.calls = program, 0

    def trace(self, call: Call) -> Trace | None:
        self.calls += 1
        self.executed: set[str] = set()
        self.compared: dict[str, tuple[tuple[int, int], ...]] = {}
        sizes = {one.name: int(one.value) for one in call.arguments if isinstance(one, ScalarArgument)}
        self._program(self, sizes)
        return Trace(frozenset(self.executed), self.compared)

    def compare(self, place: str, left: int, right: int) -> int:
        self.compared[place] = (*self.compared.get(place, ()), (left, right))
        return (left > right) - (left < right)


def call_of(example: Example) -> Call:
    return Call(0, tuple(ScalarArgument(name, "int", size) for name, size in example.dims.items()))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    front = "dims:\n  m: 1..5000\n  n: 1..300\nargs:\n  x: [m, n]\ndtypes: [float32, float16]\n"
    return make_case(tmp_path, "f(Tensor x) -> Tensor", front, "def f(x):\n    return x * 3")


def steered(
    case: Case, program: Program, *, blocks: Mapping[str, int], seed: int = 1
) -> tuple[Steering, list[Example]]:
    steering = Steering(case, OutputSize({"m": 1, "n": 1}, 1, {"m": 1, "n": 1}), Code(program, blocks), call_of, seed)
    drawn = [Example({"m": m, "n": n}, "float32", 1, "normal") for m, n in ((1, 1), (33, 7), (257, 32), (4, 129))]
    return steering, [one for dtype in case.dtypes for one in steering.examples(dtype, drawn)]


def threshold(code: Code, sizes: Mapping[str, int]) -> None:
    if code.compare("a", sizes["m"], 3000) > 0:
        code.executed.add("10")


def remainder(code: Code, sizes: Mapping[str, int]) -> None:
    if code.compare("a", sizes["m"], 2048) > 0 and code.compare("b", sizes["m"] % 8, 5) == 0:
        code.executed.add("10")


def interior(code: Code, sizes: Mapping[str, int]) -> None:
    rows = code.compare("a", sizes["m"], 64) > 0 and code.compare("b", sizes["m"], 96) < 0
    if rows and code.compare("c", sizes["n"], 200) > 0 and code.compare("d", sizes["n"], 210) < 0:
        code.executed.add("10")


def blocks_of_threads(code: Code, sizes: Mapping[str, int]) -> None:
    if code.compare("a", (sizes["m"] + 255) // 256, 7) == 0:
        code.executed.add("10")


def range_of_a_product(code: Code, sizes: Mapping[str, int]) -> None:
    """What compilers make of ``(m * n + 255) / 256 == 77``, unsigned."""
    offset = (sizes["m"] * sizes["n"] - 19457) % 2**64
    code.compare("a", offset - 2**64 if offset >= 2**63 else offset, 255)
    if offset <= 255:
        code.executed.add("10")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("program", [threshold, remainder, interior, blocks_of_threads, range_of_a_product])
def test_branch_that_the_drawn_sizes_do_not_take_is_found_in_both_dtypes(
    case: Case, program: Program, seed: int
) -> None:
    steering, found = steered(case, program, blocks={"0": 3, "10": 8}, seed=seed)
    assert "10" in steering.executed
    assert {one.dtype for one in found} <= set(case.dtypes)
    assert all(1 <= one.dims["m"] <= 5000 and 1 <= one.dims["n"] <= 300 for one in found)


def test_sizes_at_which_a_traced_call_does_not_end_in_order_are_judged(case: Case) -> None:
    """The kernel crashes at a size that no drawn example has; nothing is steered after that."""
    code = Code(threshold, {"0": 3, "10": 8})
    trace = code.trace
    code.trace = lambda call: None if call.arguments[0].value >= 3000 else trace(call)  # type: ignore[method-assign, operator, union-attr]
    steering = Steering(case, OutputSize({"m": 1, "n": 1}, 1, {"m": 1, "n": 1}), code, call_of, 1)
    drawn = [Example({"m": 257, "n": 32}, "float32", 1, "normal")]
    found = [one for dtype in case.dtypes for one in steering.examples(dtype, drawn)]
    assert [one.dims["m"] >= 3000 for one in found] == [True]


def test_comparison_is_seen_less_equal_and_greater(case: Case) -> None:
    _, found = steered(case, threshold, blocks={"10": 8})
    assert {2999, 3000, 3001} & {one.dims["m"] for one in found} >= {3000, 3001}


def test_kernel_without_branches_on_sizes_costs_a_few_calls(case: Case) -> None:
    steering, found = steered(case, lambda code, sizes: code.executed.add("10"), blocks={"10": 8})
    assert found == []
    assert isinstance(steering.tracer, Code) and steering.tracer.calls <= 10


def test_search_ends_for_a_comparison_that_no_size_changes(case: Case) -> None:
    steering, _ = steered(case, lambda code, sizes: code.compare("a", 5, 900) and None, blocks={"10": 8})
    assert isinstance(steering.tracer, Code) and steering.tracer.calls <= 40


def test_lines_that_were_executed_in_no_instance_are_listed_as_ranges(case: Case) -> None:
    def program(code: Code, sizes: Mapping[str, int]) -> None:
        code.executed |= {"0", "31"}

    blocks = {"0": 3, "10": 8, "11": 9, "12": 11, "30": 20, "31": 20, "40": 25}
    steering, _ = steered(case, program, blocks=blocks)
    assert steering.not_executed() == ((8, 11), (25, 25))


@pytest.mark.parametrize("trace", [None, Trace(frozenset({"zz"}), {"a": ((1 << 70, -5),), "q": ((0, 0),)})])
def test_report_that_breaks_off_or_is_nonsense_does_no_harm(case: Case, trace: Trace | None) -> None:
    code = Code(lambda code, sizes: None, {"10": 8})
    code.trace = lambda call: trace  # type: ignore[method-assign]
    steering = Steering(case, OutputSize({"m": 1, "n": 1}, 1, {}), code, call_of, 1)
    drawn = [Example({"m": 2, "n": 2}, "float32", 1, "normal")]
    assert all(one.dims["m"] <= 5000 for one in steering.examples("float32", drawn))
