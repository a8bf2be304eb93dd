"""Counterexamples: the finding that explains wrong values, on the smallest example, with all that repeats it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
import torch
from hypothesis.strategies import nothing

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.example_text import single
from pytest_upskill.judging.judge import verdict_of
from pytest_upskill.oracle import shrink
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.oracle.explore import Judgement
from pytest_upskill.oracle.prepare import Preparation, Prepared
from pytest_upskill.oracle.search import Batch
from pytest_upskill.oracle.shrink import Fault, Shrinking, Tried
from pytest_upskill.records import Answer, Call, Counterexample, Example, Finding, TensorArgument
from tests.unit.oracle_kernels import (
    ROWS_COLS,
    Run,
    Values,
    failed,
    fails_to_run,
    judge_kernel,
    kernel,
    make_case,
    signature_of,
    values_of,
)
from tests.unit.test_oracle_sandboxed_reference import untrusted

OP = "f(Tensor x) -> Tensor"
SAME = "def f(x):\n    return x * 2"
SCALED = "f(Tensor x, float alpha) -> Tensor"
ALPHA = "  alpha: {values: -4.0..4.0}\n"
OUT_OF_BOUNDS = Finding("memory", "out-of-bounds", "out-of-bounds read of 4 bytes", line=12)
RACE = Finding("deterministic", "race", "race on element 0 of 'shared'", line=7)


@pytest.fixture
def doubles(tmp_path: Path) -> Case:
    return make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x * 2")


@pytest.fixture
def scales(tmp_path: Path) -> Case:
    return make_case(tmp_path, SCALED, ROWS_COLS + ALPHA, "def f(x, alpha):\n    return x * alpha")


def sizes(call: Call) -> tuple[int, int]:
    rows, cols = next(one.shape for one in call.arguments if isinstance(one, TensorArgument))
    return rows, cols


def times(factor: float) -> Run:
    def compute(values: Values) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return x * factor

    return kernel(compute)


def wrong_where(condition: Callable[[int, int], bool], *findings: Finding) -> Run:
    """Three times x instead of twice, with findings, for some sizes."""

    def run(call: Call) -> Answer:
        if not condition(*sizes(call)):
            return times(2)(call)
        return replace(times(3)(call), findings=findings)

    return run


def found_in(judgement: Judgement) -> Counterexample:
    assert judgement.counterexample is not None
    return judgement.counterexample


def message_of(judgement: Judgement, name: str) -> str:
    return next(one.message for one in judgement.assertions if one.name == name)


# ------------------------------------------------------------------------------------------- what is shown first


@pytest.mark.parametrize("finding", [OUT_OF_BOUNDS, RACE])
def test_a_finding_with_a_line_explains_wrong_values_of_the_same_call(doubles: Case, finding: Finding) -> None:
    judgement = judge_kernel(doubles, wrong_where(lambda rows, cols: cols >= 5, finding))
    assert failed(judgement) == ["correct[float32]", finding.assertion]
    found = found_in(judgement)
    assert (found.assertion, found.line, found.example.dims) == (
        finding.assertion,
        finding.line,
        {"rows": 1, "cols": 5},
    )
    assert found.worst is not None and found.worst.output == "out"
    verdict = verdict_of(judgement.assertions, found)
    assert verdict.reason == f"{finding.assertion}: :{finding.line}: {finding.message}"  # the kernel has no name here
    assert verdict.first_failed is not None and verdict.first_failed.name == "correct[float32]"


def test_an_access_out_of_bounds_explains_a_crash_that_does_not_come_back(doubles: Case) -> None:
    crashed: list[Call] = []

    def run(call: Call) -> Answer:
        answer = times(2)(call)
        if sizes(call)[1] < 5:
            return answer
        if not crashed:
            crashed.append(call)
            answer = fails_to_run("crash", "illegal memory access")
        return replace(answer, findings=(*answer.findings, OUT_OF_BOUNDS))

    judgement = judge_kernel(doubles, run)
    assert {"runs", "memory"} <= set(failed(judgement))
    found = found_in(judgement)
    assert (found.assertion, found.reproducible, found.example.dims) == ("memory", True, {"rows": 1, "cols": 5})
    assert verdict_of(judgement.assertions, found).reason.startswith("memory: :12: out-of-bounds read")


def test_the_smallest_example_of_an_access_out_of_bounds_may_have_right_values(doubles: Case) -> None:
    def run(call: Call) -> Answer:
        answer = times(3 if sizes(call)[1] > 20 else 2)(call)
        return replace(answer, findings=(OUT_OF_BOUNDS,)) if sizes(call)[1] >= 5 else answer

    judgement = judge_kernel(doubles, run)
    assert failed(judgement) == ["correct[float32]", "memory"]
    found = found_in(judgement)
    assert (found.assertion, found.example.dims, found.worst) == ("memory", {"rows": 1, "cols": 5}, None)


def test_memory_comes_before_races_and_what_did_not_run_before_both(doubles: Case) -> None:
    assert found_in(judge_kernel(doubles, wrong_where(lambda *_: True, RACE, OUT_OF_BOUNDS))).assertion == "memory"

    def crashes(call: Call) -> Answer:
        answer = wrong_where(lambda *_: True, OUT_OF_BOUNDS)(call)
        return fails_to_run("crash", "ended") if sizes(call)[1] > 20 else answer

    assert found_in(judge_kernel(doubles, crashes)).assertion == "runs"


def test_a_finding_without_a_line_and_other_bits_do_not_hide_wrong_values(doubles: Case) -> None:
    unknown = Finding("memory", "guard", "4 bytes behind 'out' were written")
    assert found_in(judge_kernel(doubles, wrong_where(lambda *_: True, unknown))).assertion == "correct[float32]"
    calls = [0]

    def changes(call: Call) -> Answer:
        calls[0] += 1
        return times(3 + calls[0] / 64)(call)

    judgement = judge_kernel(doubles, changes)
    assert failed(judgement) == ["correct[float32]", "deterministic"]
    assert found_in(judgement).assertion == "correct[float32]"


def test_a_finding_on_other_examples_than_the_wrong_values_is_shown_and_both_assertions_keep_their_message(
    doubles: Case,
) -> None:
    def run(call: Call) -> Answer:
        if sizes(call)[1] % 2:
            return times(3)(call)
        return replace(times(2)(call), findings=(OUT_OF_BOUNDS,))

    judgement = judge_kernel(doubles, run)
    found = found_in(judgement)
    assert (found.assertion, found.worst, found.example.dims) == ("memory", None, {"rows": 1, "cols": 2})
    assert "out-of-bounds read" in message_of(judgement, "memory")
    assert "expected" in message_of(judgement, "correct[float32]")


def test_a_replayed_example_shows_the_same_finding(doubles: Case) -> None:
    run = wrong_where(lambda rows, cols: cols >= 5, OUT_OF_BOUNDS)
    found = found_in(judge_kernel(doubles, run))
    again = found_in(judge_kernel(doubles, run, only=parse_example(str(found.example), doubles)))
    assert again == found


# ------------------------------------------------------------------------------------------- the smallest example

SQUARE = "dims:\n  rows: 1..64\n  cols: 1..64\nwhere: ['{}']\nargs:\n  x: [rows, cols]\n"


@pytest.mark.parametrize("hypothesis_runs", [0, 60])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    ("condition", "smallest"),
    [
        (lambda rows, cols: rows >= 40 and cols >= 3, (40, 3)),
        (lambda rows, cols: cols >= 700, (1, 700)),
        (lambda rows, cols: rows * cols > 20_000, (19, 1053)),
        (lambda rows, cols: cols > 32, (1, 33)),
        (lambda rows, cols: True, (1, 1)),
    ],
)
def test_sizes_of_small_and_of_large_examples_shrink_to_the_least_that_fail(
    doubles: Case,
    monkeypatch: pytest.MonkeyPatch,
    hypothesis_runs: int,
    seed: int,
    condition: Callable[[int, int], bool],
    smallest: tuple[int, int],
) -> None:
    monkeypatch.setattr(shrink, "_RUNS_OF_HYPOTHESIS", hypothesis_runs)
    dims = found_in(judge_kernel(doubles, wrong_where(condition), seed=seed, examples=25)).example.dims
    if smallest == (19, 1053):  # the least product: one of several pairs of sizes
        assert 20_000 < dims["rows"] * dims["cols"] <= 20_100
    else:
        assert (dims["rows"], dims["cols"]) == smallest


class Explored:
    """An exploration whose kernel fails on some sizes; counts the runs."""

    def __init__(self, case: Case, fails: Callable[..., bool]) -> None:
        self.case, self.fails, self.seed, self.runs = case, fails, 1, 0
        self.tried: dict[str, Tried] = {}
        self.given_up: dict[str, str] = {}

    def try_again(self, example: Example, names: tuple[str, ...]) -> Tried:
        self.runs += 1
        faults = {name: Fault("wrong") for name in names if self.fails(**example.sizes)}
        return Tried(example, None, -1, prod(example.dims.values()), example, {}, faults)

    def shrunk(self, example: Example) -> Example:
        """The smallest example, from a large one: of the kind that Hypothesis cannot make smaller."""
        first = replace(self.try_again(example, ("runs",)), batch=Batch(example.dtype, 0, 1, True, upper=("rows",)))
        assert first.faults
        return Shrinking(self, ("runs",), first).smallest(nothing()).example


@pytest.mark.parametrize(
    ("where", "start", "smallest"),
    [
        ("rows == cols", (50, 50), (7, 7)),
        ("cols == rows + 3", (50, 53), (7, 10)),
        ("cols % rows == 0", (32, 64), (7, 7)),
        ("cols % 8 == 0", (50, 64), (7, 8)),
        ("rows <= cols", (50, 60), (7, 7)),
        ("cols >= 3", (50, 60), (7, 3)),
    ],
)
def test_dims_that_depend_on_each_other_are_lowered_together(
    tmp_path: Path, where: str, start: tuple[int, int], smallest: tuple[int, int]
) -> None:
    explored = Explored(make_case(tmp_path, OP, SQUARE.format(where), SAME), lambda rows, cols: rows >= 7)
    example = explored.shrunk(Example({"rows": start[0], "cols": start[1]}, "float32", 5, "mixed"))
    assert example == Example({"rows": smallest[0], "cols": smallest[1]}, "float32", 0, "normal")
    assert explored.runs <= shrink.RUNS


def test_dims_without_a_practical_bound_are_bisected(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..1000000000\nwhere: ['rows % 2 == 0 or rows < 100']\nargs:\n  x: [rows]\n"
    explored = Explored(make_case(tmp_path, OP, front, SAME), lambda rows: rows >= 50)
    assert explored.shrunk(Example({"rows": 1 << 29}, "float32", 5, "mixed")).dims == {"rows": 50}
    assert explored.runs <= shrink.RUNS


def test_a_failure_that_needs_equal_dims_or_two_large_ones_is_kept(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, SQUARE.format("rows >= 1"), SAME)
    equal = Explored(case, lambda rows, cols: rows == cols >= 5)
    assert equal.shrunk(Example({"rows": 50, "cols": 50}, "float32", 5, "mixed")).dims == {"rows": 5, "cols": 5}
    both = Explored(case, lambda rows, cols: rows >= 40 and cols >= 30)
    assert both.shrunk(Example({"rows": 60, "cols": 60}, "float32", 5, "mixed")).dims == {"rows": 40, "cols": 30}


def test_integer_scalars_are_lowered_and_do_not_keep_dims_large(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..500\nargs:\n  x: [rows]\n  k: {values: 0..rows-1}\n  flag: {values: [false, true]}\n"
    op, reference = "f(Tensor x, int k, bool flag) -> Tensor", "def f(x, k, flag):\n    return x * 2"
    case = make_case(tmp_path, op, front, reference)
    start = Example({"rows": 400}, "float32", 5, "mixed", {"k": 300, "flag": 1})
    assert Explored(case, lambda rows, k, flag: rows >= 9).shrunk(start).sizes == {"rows": 9, "k": 0, "flag": 0}
    assert Explored(case, lambda rows, k, flag: flag == 1).shrunk(start).sizes == {"rows": 1, "k": 0, "flag": 1}


def test_values_become_simple(doubles: Case) -> None:
    example = found_in(judge_kernel(doubles, wrong_where(lambda rows, cols: cols >= 900), examples=25)).example
    assert (example.seed, example.values) == (0, "normal")


def test_the_same_seed_gives_the_same_counterexample(doubles: Case) -> None:
    run = wrong_where(lambda rows, cols: rows * cols > 3000 and cols % 3 == 1, OUT_OF_BOUNDS)
    first, second = (judge_kernel(doubles, run, examples=25) for _ in range(2))
    assert first == second and first.counterexample is not None


def test_a_search_that_the_limit_on_elements_ends_says_so(doubles: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    run = wrong_where(lambda rows, cols: cols > 32)
    assert "not shrunk to the end" not in found_in(judge_kernel(doubles, run)).message
    monkeypatch.setattr(shrink, "_WORK", 0)
    monkeypatch.setattr(shrink, "SMALL_LIMIT", 0)
    message = found_in(judge_kernel(doubles, run)).message
    assert message.endswith("(not shrunk to the end: the limit on elements was reached)")


# ------------------------------------------------------------------------------------------- scalars and inputs


def inputs_of(call: Call) -> dict[str, object]:
    return {
        name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in values_of(call).items()
    }


def test_a_counterexample_states_floating_scalars_and_replays_with_the_same_values(scales: Case) -> None:
    seen: list[dict[str, object]] = []

    def run(call: Call) -> Answer:
        seen.append(inputs_of(call))
        return times(5)(call)

    found = found_in(judge_kernel(scales, run))
    alpha = found.example.scalars["alpha"]
    assert isinstance(alpha, float) and f"alpha={alpha:.9g}"[:9] in str(found.example)
    shown = seen[-1]
    again = found_in(judge_kernel(scales, run, only=parse_example(str(found.example), scales)))
    assert seen[-1] == shown and shown["alpha"] == alpha
    assert again.example == found.example and again.worst == found.worst


def test_a_floating_scalar_overrides_the_drawn_one_and_changes_nothing_else(scales: Case) -> None:
    text = "rows=2 cols=3 dtype=float32 seed=7 values=normal"
    preparation = Preparation(scales, signature_of(scales).layout)

    def prepared(example: str) -> dict[str, object]:
        found = preparation.prepare(parse_example(example, scales))
        assert isinstance(found, Prepared)
        return inputs_of(found.call)

    drawn, given = prepared(text), prepared(f"{text} alpha=0.5")
    assert given["alpha"] == 0.5 != drawn["alpha"]
    assert given["x"] == drawn["x"]
    assert prepared(f"{text} alpha={drawn['alpha']!r}") == drawn


def test_later_attempts_and_whole_numbers_replay_bit_for_bit_in_this_process_and_in_a_sandbox(tmp_path: Path) -> None:
    front = ROWS_COLS + "  alpha: {values: 1.0..60000.0}\ndtypes: [float16]\n"
    case = make_case(tmp_path, SCALED, front, "def f(x, alpha):\n    return x * alpha")
    layout, redrawn = signature_of(case).layout, 0
    here = Preparation(case, layout)
    with closing(untrusted(case)) as there:
        there.layout = layout
        for seed in range(24):
            family = "integers" if seed % 4 == 0 else "normal"
            text = f"rows=3 cols=4 dtype=float16 seed={seed} values={family}"
            first = here.prepare(parse_example(text, case))
            assert isinstance(first, Prepared)
            replay = parse_example(str(Tried.of(first, None, 0, {}).replay), case)
            assert "alpha" in replay.scalars
            for runner in (here, there):
                again = runner.prepare(replay)
                assert isinstance(again, Prepared) and again.call == first.call
                assert all(torch.equal(a.gold, b.gold) for a, b in zip(again.expected, first.expected, strict=True))
            redrawn += here.source.arguments(first.example)["alpha"] != replay.scalars["alpha"]
    assert redrawn


def test_a_scalar_of_the_cases_own_inputs_is_overridden_too(tmp_path: Path) -> None:
    inputs = (
        "def inputs(generator, dtype, **dims):\n    return {'alpha': float(torch.rand((), generator=generator)) + 9}"
    )
    case = make_case(tmp_path, SCALED, ROWS_COLS + ALPHA, "def f(x, alpha):\n    return x * alpha", inputs)
    found = found_in(judge_kernel(case, times(5)))
    assert 9 <= found.example.scalars["alpha"] <= 10
    again = judge_kernel(case, times(5), only=parse_example(str(found.example), case))
    assert found_in(again).worst == found.worst


@pytest.mark.parametrize(
    "bits", [0, 1, 0x3DCCCCCD, 0x7F7FFFFF, 0x80000000, 0xC0490FDB, 0x00800000, 0x3F800001, 0x358637BD]
)
def test_the_text_of_a_float32_value_reads_back_exactly(bits: int) -> None:
    (value,) = struct.unpack("f", struct.pack("I", bits))
    text = str(Example({"n": 1}, "float32", 7, scalars={"alpha": value}))
    assert struct.pack("f", float(text.rsplit(maxsplit=1)[-1].partition("=")[2])) == struct.pack("I", bits)
    scalars = {"k": True, "alpha": single(0.1), "step": 3}
    assert str(Example({"n": 1}, "float32", 7, "normal", scalars)) == (
        "n=1 k=1 step=3 dtype=float32 seed=7 values=normal alpha=0.1"
    )


def test_values_of_small_inputs_are_kept_and_of_larger_ones_not(tmp_path: Path) -> None:
    op, front = (
        "f(Tensor x, Tensor mask) -> Tensor",
        (
            "dims:\n  n: 1..16\nargs:\n  x: {shape: [1, n], values: [0.5, -1.25]}\n  mask: {shape: [n], dtype: bool}\n"
            "dtypes: [float16]\n"
        ),
    )
    case = make_case(tmp_path, op, front, "def f(x, mask):\n    return x * mask + 1")

    def shown(n: int) -> dict[str, str]:
        example = parse_example(f"n={n} seed=1", case)
        return dict(found_in(judge_kernel(case, times(7), only=example)).inputs)

    eight = shown(8)
    assert list(eight) == ["x", "mask"]
    assert set(eight["x"].strip("[]").split(", ")) == {"0.5", "-1.25"} and eight["x"].startswith("[[")
    assert set(eight["mask"].strip("[]").split(", ")) <= {"True", "False"}
    assert shown(9) == {}
