"""Cases that ask for the same operator, whatever their words: references on shared inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.generator.near_duplicates import duplicates_of
from pytest_upskill.oracle.reference_runner import in_this_process
from tests.sampling import every

OP = "f(Tensor a) -> Tensor"
N, RC = "dims: {n: 1..40}\nargs: {%s}\n", "dims: {r: 1..9, c: 1..40}\nargs: {%s}\n"


def case(op: str, front: str, body: str, more: str = "") -> Case:
    name = op.partition("(")[0]
    text = f"---\nop: {op}\n{front}---\nDo it.\n\n## Reference\n\n```python\n{body}\n```\n{more}"
    return parse_case(text, Path(f"{name}.md"), "skill")


def one(name: str, expression: str, argument: str = "x", values: str = "") -> Case:
    spec = f"{argument}: {{shape: [n], values: {values}}}" if values else f"{argument}: [n]"
    return case(f"{name}(Tensor {argument}) -> Tensor", N % spec, f"def {name}({argument}):\n    return {expression}")


TWICE = one("twice", "x * 2")
SAME = {
    "another formula": one("doubled", "y + y", "y"),
    "helpers": case(OP, N % "a: [n]", "K = 2\ndef g(v):\n    return v\n\ndef f(a):\n    return K * g(a)"),
    "another dim": case(
        OP, "dims: {size: 1..9}\nargs: {a: [size]}\n", "def f(a, size):\n    return a * 2 * (size > 0)"
    ),
    "in place": case("f(Tensor(a!) a) -> ()", N % "a: [n]", "def f(a):\n    a.mul_(2)"),
    "another rank": case(OP, RC % "a: [r, c]", "def f(a):\n    return a * 2"),
    "the same name": one("twice", "2 * x"),
    "a factor of one": case(
        "f(Tensor a, float k) -> Tensor", N % "a: [n], k: {values: 1.0..1.0}", "def f(a, k):\n    return a * 2 * k"
    ),
    "factors given": case(
        "f(int k, Tensor a, bool b) -> Tensor", N % "a: [n], k: {values: [2]}, b: {values: [true]}",
        "def f(a, k, b):\n    return a * k if b else a",
    ),
}  # fmt: skip
OTHER = {
    "another factor": one("tripled", "x * 3"),
    "sums of rows": case(OP, RC % "a: [r, c]", "def f(a):\n    return a.sum(-1)"),
    "another dtype": case(OP, N % "a: {shape: [n], dtype: int64, values: 1..5}", "def f(a):\n    return a * 2"),
    "one more result": case("f(Tensor x) -> (Tensor a, Tensor b)", N % "x: [n]", "def f(x):\n    return x * 2, x"),
    "a factor that varies": case(
        "f(Tensor a, float k) -> Tensor", N % "a: [n], k: {values: 1.0..3.0}", "def f(a, k):\n    return a * k"
    ),
    "a factor of three": case(
        "f(Tensor a, float k) -> Tensor", N % "a: [n], k: {values: [3.0]}", "def f(a, k):\n    return a * k"
    ),
    "an error": one("f", "x.no_such_method()"),
}  # fmt: skip


def name_of(other: Case) -> str:
    return next(name for name, one in SAME.items() if one is other)


def found(new: Case, *others: Case) -> str:
    return " ".join(one.name for one in duplicates_of(new, others, in_this_process))


@pytest.mark.parametrize("other", every(3, list(SAME.values()), name_of))
def test_the_same_operator_is_found_both_ways(other: Case) -> None:
    assert found(other, OTHER["another factor"], TWICE) == "twice"
    assert found(TWICE, OTHER["another factor"], other) == other.name


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER.keys())
def test_another_operator_is_none(other: Case) -> None:
    assert found(other, TWICE) == ""
    assert found(TWICE, other) == ""


def test_all_duplicates_are_found() -> None:
    assert found(TWICE, SAME["another formula"], OTHER["another factor"], SAME["in place"]) == "doubled f"


def test_arguments_in_another_order_make_no_difference() -> None:
    first = case("gap(Tensor a, Tensor b, float s) -> Tensor", N % "a: [n], b: [n], s: {values: 1..2}",
                 "def gap(a, b, s):\n    return (a - b) * s")  # fmt: skip
    swapped = case("f(float k, Tensor low, Tensor high) -> Tensor", N % "low: [n], high: [n], k: {values: 1..2}",
                   "def f(k, low, high):\n    return k * high - k * low")  # fmt: skip
    other = case("f(float k, Tensor low, Tensor high) -> Tensor", N % "low: [n], high: [n], k: {values: 1..2}",
                 "def f(k, low, high):\n    return k * high + k * low")  # fmt: skip
    assert found(swapped, first) == "gap"
    assert found(other, first) == ""


def test_operators_that_agree_on_one_domain_only_are_two() -> None:
    relu, identity = one("relu", "x.clamp(min=0)"), one("same", "x * 1", values="positive")
    assert found(identity, relu) == ""
    assert found(relu, identity) == ""


def test_an_operator_with_a_larger_range_of_sizes_is_the_same() -> None:
    small = case("rows(Tensor x) -> Tensor", RC % "x: [r, c]", "def rows(x):\n    return x.sum(-1)")
    large = case(OP, "dims: {p: 2..70, q: 3..99}\nargs: {a: [p, q]}\n", "def f(a):\n    return a.sum(1)")
    assert found(large, small) == "rows"


def test_operators_on_rows_of_another_rank_are_others() -> None:
    rows = case("rows(Tensor x) -> Tensor", RC % "x: [r, c]", "def rows(x):\n    return x - x.amax(-1, keepdim=True)")
    whole = case(OP, N % "a: [n]", "def f(a):\n    return a - a.amax()")
    assert found(rows, whole) == ""
    assert found(whole, rows) == ""
