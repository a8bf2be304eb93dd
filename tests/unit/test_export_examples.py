"""The examples and tolerances of exported tests."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from pytest_upskill.export.bindings import template
from pytest_upskill.export.examples import examples_file, fitted
from pytest_upskill.oracle.prepare import Expected
from tests.unit.export_cases import case, case_of_skill, operation


def one(gold: list[float], bound: list[float] | None) -> Expected:
    allowed = None if bound is None else torch.tensor(bound, dtype=torch.float64)
    return Expected("out", "float32", torch.tensor(gold, dtype=torch.float64), allowed)


@pytest.mark.parametrize(
    ("gold", "bound"),
    [
        ([1.0, 2.0, 1e-9], [1e-6, 2e-6, 1e-9]),
        ([0.0, 0.0], [1e-3, 0.0]),
        ([1e30, 1.0], [1e24, 1.0]),
        ([float("inf"), 3.0, float("nan")], [float("nan"), 1e-4, 1e-4]),
        ([5.0] * 99 + [1e-20], [1e-7] * 100),
    ],
)
def test_a_fitted_tolerance_is_above_every_bound(gold: list[float], bound: list[float]) -> None:
    rtol, atol = fitted([one(gold, bound)])
    for value, allowed in zip(gold, bound, strict=True):
        if allowed == allowed and abs(value) != float("inf") and value == value:
            assert allowed <= atol + rtol * abs(value)


def test_a_fitted_tolerance_is_not_far_above_the_bounds() -> None:
    rtol, atol = fitted([one([1.0, 2.0, 4.0], [1e-6, 2e-6, 4e-6])])
    assert (rtol, atol) == (1e-6, 0.0)


def test_copied_elements_get_no_tolerance() -> None:
    assert fitted([one([1.0, 2.0], None)]) == (0.0, 0.0)


def test_the_examples_file_are_the_same_each_time_and_have_all_dtypes_and_several_sizes() -> None:
    interface = operation(case_of_skill("axpy")).interface
    first = examples_file(interface)
    assert examples_file(interface) == first
    plain = json.loads(first)
    assert {one["dtype"] for one in plain["examples"]} == {"float32", "float16", "bfloat16"}
    assert len({one["dims"]["n"] for one in plain["examples"]}) >= 4
    assert plain["updated"] == ["y"]
    assert set(plain["tolerances"]["y"]) == {"float32", "float16", "bfloat16"}


def test_a_tolerance_of_the_case_is_taken_as_it_is() -> None:
    of = case(more="tolerance: {rtol: 1.0e-2, atol: 1.0e-3}\n")
    assert json.loads(examples_file(operation(of).interface))["tolerances"] == {"out": {"float32": [0.01, 0.001]}}


def test_values_of_every_kind_can_be_drawn() -> None:
    names = ("normal", "uniform", "positive", "nonnegative", "sorted", "wild")
    tensors = ", ".join(f"{name}: {{shape: [n], values: {name}}}" for name in names)
    whole = "order: {shape: [n], dtype: int64, values: permutation}, flag: {shape: [n], dtype: bool}, "
    whole += "small: {shape: [n], dtype: int8, values: 0..n}, some: {shape: [n], dtype: int32, values: [1, 5]}"
    arguments = ", ".join(f"Tensor {name}" for name in (*names, "order", "flag", "small", "some"))
    of = case(
        op=f"all(Tensor x, {arguments}, int k, bool b, float f) -> Tensor",
        dims="{n: 3..9}",
        args=f"{{x: [n], {tensors}, {whole}, k: {{values: 1..3}}, b: {{values: [true]}}, f: {{values: 0.5..1.0}}}}",
        reference=(
            "def all(x, normal, uniform, positive, nonnegative, sorted, wild, order, flag, small, some, k, b, f):\n"
            "    return torch.where(flag, x, 0 * x) + uniform + positive + small + some * k + f"
        ),
    )
    plain = json.loads(examples_file(operation(of).interface))
    kinds = {how.get("kind", "value") for one in plain["examples"] for how in one["arguments"].values()}
    assert kinds == {*names, "permutation", "range", "choices", "value"}


@pytest.mark.parametrize(("got", "passes"), [(math.inf, True), (1.0, False), (-math.inf, False), (math.nan, False)])
def test_where_infinity_is_expected_nothing_else_passes(tmp_path: Path, got: float, passes: bool) -> None:
    facts = {"backend": "cpu", "operator": "f", "strict": True, "allocated": [], "examples": [], "needs_gpu": False}
    facts |= {"dtypes": {"out": None}, "tolerances": {"out": {"float32": [1e-6, 1e-6]}}}
    (tmp_path / "x_examples.json").write_text(json.dumps(facts), encoding="utf-8")
    scope = {"__name__": "check", "__file__": str(tmp_path / "check.py")}
    exec(template("check.py").substitute(package="x", name="x"), scope)
    wanted = {"out": torch.tensor([2.0, math.inf], dtype=torch.float64)}
    said = scope["problem"]({"dtype": "float32"}, wanted, {"out": torch.tensor([2.0, got])})  # type: ignore[operator]
    assert (said == "") == passes
