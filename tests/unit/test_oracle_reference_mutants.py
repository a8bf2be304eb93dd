"""Mutants of a reference: each makes the mistake that it names, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.reference import Reference
from pytest_upskill.oracle.reference_mutants import MutatedRun, mutated_runs
from pytest_upskill.records import Example
from tests.unit.oracle_kernels import make_case

FRONT = "dims: {n: 1..9}\nargs:\n  x: [n]\ndtypes: [float32]\n"
WHOLE = FRONT.replace("[n]", "{shape: [n], dtype: int64}")
BEFORE, AFTER = "(x + 0.25).sqrt()", "x.sqrt() + 0.25"


def mutants(folder: Path, expression: str, values: list[float], front: str = FRONT) -> dict[str, MutatedRun]:
    case = make_case(folder, "f(Tensor x) -> Tensor", front, f"def f(x):\n    return {expression}")
    x = torch.tensor(values, dtype=torch.float64 if front is FRONT else torch.int64)
    with isolated():
        runs = mutated_runs(Reference(case), {"x": x}, Example({"n": len(values)}, "float32", 1), {"skipped"})
        return {one.name: one for one in runs}


MISTAKES: list[tuple[str, list[float], str, list[float]]] = [
    ("x.amax(0)", [-3, -2], "maximum from 0", [0]),
    ("x.amax(0)", [-3, -2], "maximum from -1", [-1]),
    ("x.amax(0)", [-300, -200], "maximum from -100", [-100]),
    ("x.max()", [-3, 0], "maximum from tiny", [torch.finfo(torch.float32).tiny]),
    ("x.max(0).indices", [-3, -2], "maximum from 0", [0]),
    ("x.argmax()", [-3, -2], "maximum from -1", [0]),
    ("x.cummax(0).values", [-3, 2, 1], "maximum from 0", [0, 2, 2]),
    ("torch.nn.functional.max_pool1d(x[None], 2)[0]", [-3, -2, 4, 5], "maximum from 0", [0, 5]),
    ("x.amin(0)", [3, 2], "minimum from 0", [0]),
    ("x.amin(0)", [3, 2], "minimum from 1", [1]),
    ("x.argmin(0)", [300, 200], "minimum from 100", [0]),
    ("x.argmax()", [1, 5, 5], "ties", [2]),
    ("x.argmin(0)", [1, 5, 1], "ties", [2]),
    ("x.max(0).indices", [1, 5, 5], "ties", [2]),
    ("x.sort(0).indices", [1, 5, 1], "ties", [2, 0, 1]),
    ("torch.sort(x, stable=True, dim=0, descending=True).indices", [5, 1, 5], "ties", [2, 0, 1]),
    ("x.topk(2).indices", [5, 1, 5], "ties", [2, 0]),
    ("x.round()", [0.5, 1.5, -2.5, 2.25], "halves", [1, 2, -3, 2]),
    ("x.round(decimals=1)", [0.25, 0.75], "halves", [0.3, 0.8]),
    ("x * 3.0 + 0.5", [2], "constant 0", [2.5]),
    ("x * 3.0 + 0.5", [2], "constant 1", [6]),
    ("2.0 - x", [3], "constant 0", [-3]),
    ("x / 4.0", [3], "constant 0", [3]),
    ("x.clone().add_(0.5)", [3], "constant 0", [3]),
    (BEFORE, [4], "moved", [2.25]),
    (AFTER, [3.75], "moved", [2]),
    ("(x + 0.25).rsqrt()", [4], "moved", [1 / 2.25]),
    ("torch.nn.functional.group_norm(x[None], 1, eps=9.0)[0]", [1, -1], "constant 0", [1, -1]),
    ("torch.nn.functional.layer_norm(x, x.shape, eps=9.0)", [1, -1], "moved", [0.1, -0.1]),
]


@pytest.mark.parametrize(("expression", "values", "name", "wrong"), MISTAKES)
def test_a_mistake_is_made_in_the_operations_that_it_names(
    tmp_path: Path, expression: str, values: list[float], name: str, wrong: list[float]
) -> None:
    outputs = mutants(tmp_path, expression, values)[name].outputs
    assert outputs is not None
    assert outputs["out"].reshape(-1).tolist() == pytest.approx(wrong, rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "values", "name"),
    [
        ("x.amax(0)", [-3, 2], "maximum from 0"),
        ("x.argmax()", [1, 5, 4], "ties"),
        ("x.round()", [1.5, 0.25], "halves"),
    ],
)
def test_a_mistake_without_an_effect_has_no_results(
    tmp_path: Path, expression: str, values: list[float], name: str
) -> None:
    assert mutants(tmp_path, expression, values)[name].outputs is None


@pytest.mark.parametrize("expression", ["x * 2", "x * 1.0 + 0.0", "x.exp()", "x.sqrt() * (x + 2)", "x.max(x * 2)"])
def test_other_operations_have_no_mistakes(tmp_path: Path, expression: str) -> None:
    assert mutants(tmp_path, expression, [1, 2]) == {}


@pytest.mark.parametrize(("front", "applies"), [(FRONT, True), (WHOLE, False)])
def test_integers_have_no_smallest_positive_float_from_which_a_maximum_could_start(
    tmp_path: Path, front: str, applies: bool
) -> None:
    found = mutants(tmp_path, "x.amax(0)", [-3, -2], front)
    assert ("maximum from tiny" in found, "maximum from 0" in found) == (applies, True)


def test_whole_numbers_that_need_more_than_32_bits_lose_their_upper_ones(tmp_path: Path) -> None:
    found = mutants(tmp_path, "x * 1", [2**32 + 7, 2**31, -5], WHOLE)
    assert found["narrowed"].outputs is not None
    assert found["narrowed"].outputs["out"].tolist() == [7, -(2**31), -5]
    assert mutants(tmp_path, "x * 1", [7, -5], WHOLE) == {}


def test_a_mutant_that_fails_has_no_outputs(tmp_path: Path) -> None:
    found = mutants(tmp_path, "torch.arange(9)[x % 9] if x.max() > 2**31 else x[99]", [2**32 + 7], WHOLE)
    assert found["narrowed"].outputs == {}


def test_a_mistake_is_described(tmp_path: Path) -> None:
    found = mutants(tmp_path, "(x.amax(0) + 1e-5).sqrt() / 3.0", [1, 2])
    assert [one.said for one in found.values()] == [
        "starts its maximum at 0",
        "starts its maximum at -1",
        "starts its maximum at -100",
        "starts its maximum at the smallest positive number",
        "adds a constant after the square root in place of before it, or the reverse",
        "does not add 1e-05",
        "does not divide by 3",
    ]
