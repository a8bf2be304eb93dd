"""The bound: wide enough for every honest algorithm, too narrow for wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.input_dependency import InputDependency, measure
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared
from pytest_upskill.oracle.reference import Reference
from pytest_upskill.oracle.tolerance import SHAPES
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Example
from tests.unit.oracle_kernels import blocked_sum, make_case, pairwise_sum, serial_sum, signature_of, values_of

FRONT = "dims:\n  rows: 1..64\n  cols: 1..1100\nargs:\n  x: [rows, cols]\ndtypes: [float32, float16, float64]\n"
OP = "f(Tensor x) -> Tensor"
Adder = Callable[[torch.Tensor], torch.Tensor]


def prepared(case: Case, dtype: str = "float32", values: str = "normal", seed: int = 1, **dims: int) -> Prepared:
    with isolated():
        found = Preparation(case, signature_of(case).layout).prepare(Example(dims, dtype, seed, values))
    assert isinstance(found, Prepared)
    return found


def used(one: Prepared, out: torch.Tensor) -> float:
    """How much of its bound an output uses up."""
    expected = one.expected[0]
    assert expected.bound is not None
    got = out.to(DTYPE[expected.dtype]).double()
    return float(((got - expected.gold).abs() / expected.bound).max())


def softmax(x: torch.Tensor, add: Adder) -> torch.Tensor:
    exponentials = torch.exp(x - x.amax(-1, keepdim=True))
    return exponentials / add(exponentials)[..., None]


def layer_norm(x: torch.Tensor, add: Adder) -> torch.Tensor:
    centred = x - (add(x) / x.shape[-1])[..., None]
    return centred * torch.rsqrt(add(centred * centred) / x.shape[-1] + 1e-5)[..., None]


def cross_entropy(x: torch.Tensor, add: Adder) -> torch.Tensor:
    largest = x.amax(-1)
    return torch.log(add(torch.exp(x - largest[..., None]))) + largest - x[..., 0]


OPERATORS: dict[str, tuple[str, Callable[[torch.Tensor, Adder], torch.Tensor]]] = {
    "sum": ("x.sum(-1)", lambda x, add: add(x)),
    "softmax": ("torch.softmax(x, -1)", softmax),
    "layer_norm": (
        "(x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True, correction=0) + 1e-5)",
        layer_norm,
    ),
    "cross_entropy": ("torch.logsumexp(x, -1) - x[:, 0]", cross_entropy),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("values", ["normal", "shifted", "equal", "outliers", "mixed"])
def test_honest_orders_of_summation_stay_within_the_bound(tmp_path: Path, name: str, values: str) -> None:
    reference, compute = OPERATORS[name]
    case = make_case(tmp_path, OP, FRONT, f"def f(x):\n    return {reference}")
    for dtype, cols in (("float32", 2), ("float32", 1025), ("float16", 129)):
        one = prepared(case, dtype, values, rows=16, cols=cols)
        x = values_of(one.call)["x"].float()  # type: ignore[attr-defined]
        for add in (serial_sum, pairwise_sum, blocked_sum):
            assert used(one, compute(x, add)) <= 0.8


@pytest.mark.parametrize("name", OPERATORS)
def test_a_dropped_last_column_zeros_and_half_sums_go_over_the_bound(tmp_path: Path, name: str) -> None:
    reference, compute = OPERATORS[name]
    case = make_case(tmp_path, OP, FRONT, f"def f(x):\n    return {reference}")
    one = prepared(case, rows=8, cols=257)
    x = values_of(one.call)["x"]
    assert isinstance(x, torch.Tensor)
    assert used(one, torch.zeros(one.expected[0].shape)) > 10
    assert used(one, compute(x, lambda terms: serial_sum(terms[..., :-1]))) > 10
    assert used(one, compute(x, lambda terms: serial_sum(terms.half()).float())) > 5


def test_a_serial_softmax_whose_small_terms_are_swallowed_passes(tmp_path: Path) -> None:
    inputs = """
    def inputs(generator, dtype, rows, cols):
        x = torch.randn(rows, cols, generator=generator)
        x[:, 0] = 17.7
        return {"x": x.to(dtype)}
    """
    reference = "def f(x):\n    return torch.softmax(x, -1)"
    one = prepared(make_case(tmp_path, OP, FRONT, reference, inputs), rows=16, cols=1025)
    x = values_of(one.call)["x"]
    assert isinstance(x, torch.Tensor)
    assert 0.02 < used(one, softmax(x, serial_sum)) < 0.5


def test_float64_is_held_to_float64(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, "def f(x):\n    return x.exp().sum(-1)")
    one = prepared(case, "float64", rows=8, cols=100)
    x = values_of(one.call)["x"]
    assert isinstance(x, torch.Tensor)
    assert used(one, serial_sum(x.exp())) < 0.5
    assert used(one, serial_sum(x.float().exp()).double()) > 100


def test_a_cases_own_tolerance_replaces_the_bound(tmp_path: Path) -> None:
    front = FRONT + "tolerance: {rtol: 0.5, atol: 0.25}\n"
    one = prepared(make_case(tmp_path, OP, front, "def f(x):\n    return x"), rows=3, cols=5)
    bound, gold = one.expected[0].bound, one.expected[0].gold
    assert bound is not None and torch.allclose(bound, 0.25 + 0.5 * gold.abs())


def dependency_of(folder: Path, reference: str, shape: tuple[int, ...]) -> InputDependency:
    case = make_case(folder, OP, FRONT, reference)
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return measure(Reference(case), {"x": x}, {"rows": shape[0], "cols": shape[1]}, "")["out"]


def test_reach_counts_terms_and_finds_the_axes_of_a_reduction(tmp_path: Path) -> None:
    assert dependency_of(tmp_path, "def f(x):\n    return x.sum(-1)", (4, 9)) == InputDependency(9, ())
    assert dependency_of(tmp_path, "def f(x):\n    return torch.softmax(x, -1)", (4, 9)) == InputDependency(9, (1,))
    assert dependency_of(tmp_path, "def f(x):\n    return torch.softmax(x, 0)", (4, 9)) == InputDependency(4, (0,))
    assert dependency_of(tmp_path, "def f(x):\n    return x.cumsum(-1)", (4, 9)) == InputDependency(9, (1,))
    assert dependency_of(tmp_path, "def f(x):\n    return x * 2", (4, 9)) == InputDependency(1, ())


def test_a_matrix_product_shares_no_reduction(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..64\n  cols: 1..1100\nargs:\n  x: [rows, cols]\n  y: [cols, rows]\n"
    case = make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return x @ y")
    x = torch.randn(4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert measure(Reference(case), {"x": x, "y": x.T * 2}, {"rows": 4, "cols": 9}, "")["out"] == InputDependency(
        18, ()
    )


def test_without_gradients_all_inputs_count(tmp_path: Path) -> None:
    assert dependency_of(tmp_path, "def f(x):\n    return x.detach() * 2", (4, 9)) == InputDependency(36, (-1,))


def test_inputs_keep_their_declared_range_when_they_are_perturbed(tmp_path: Path) -> None:
    front = FRONT.replace("x: [rows, cols]", "x: {shape: [rows, cols], values: [0.0, 1.0]}")
    reference = """
    def f(x):
        if float(x.max()) > 1:
            raise ValueError("no probability")
        return torch.nn.functional.binary_cross_entropy(x, x * 0 + 1, reduction="none")
    """
    assert prepared(make_case(tmp_path, OP, front, reference), rows=3, cols=5).expected


def test_gold_stays_within_half_of_the_dtypes_range(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, "def f(x):\n    return (x * x).sum(-1) * 10")
    for seed in range(6):
        one = prepared(case, "float16", "outliers", seed, rows=4, cols=300)
        assert float(one.expected[0].gold.abs().max()) <= torch.finfo(torch.float16).max / 2


def test_what_can_never_be_judged_is_given_up_with_its_reason(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, "def f(x):\n    return x * 0 + 60000")
    with isolated():
        found = Preparation(case, signature_of(case).layout).prepare(
            Example({"rows": 3, "cols": 5}, "float16", 1, "normal")
        )
    assert isinstance(found, GivenUp) and found.reason == "the exact result exceeds half of the dtype's range"


def test_near_ties_of_computed_values_are_drawn_again_and_exact_ties_stay(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, FRONT, "def f(x):\n    return (x * 3 + 0.1).argmax(-1)")
    one = prepared(case, "float16", "normal", 4, rows=64, cols=1000)
    x = values_of(one.call)["x"]
    assert isinstance(x, torch.Tensor)
    assert torch.equal((x.float() * 3 + 0.1).half().argmax(-1), one.expected[0].gold)
    ties = make_case(tmp_path, OP, FRONT, "def f(x):\n    return x.argmax(-1)")
    tied = values_of(prepared(ties, "float16", "equal", 2, rows=8, cols=8).call)["x"]
    assert isinstance(tied, torch.Tensor)
    assert bool((tied == tied[:, :1]).all()) or bool((tied == tied[:1]).all())


@pytest.mark.parametrize(
    "moved",
    ["kept = x[x * 3 <= 0.75]", "kept = (x + 1)[x * 3 <= 0.75] * 2 - 2 + x[x * 3 <= 0.75] * 0"],
)
def test_selections_that_rounding_may_change_are_judged_with_a_wide_bound(tmp_path: Path, moved: str) -> None:
    front = "dims:\n  n: 1..64\nargs:\n  x: {shape: [n], values: [0.25, 0.5]}\n"
    reference = f"def f(x, n):\n    {moved}\n    return torch.cat([kept, torch.zeros(n - len(kept), dtype=x.dtype)])"
    one = prepared(make_case(tmp_path, OP, front, reference), n=40)
    assert one.unmodelled == {SHAPES} and used(one, one.expected[0].gold) == 0


def test_selections_of_exact_values_need_no_wide_bound(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..64\nargs:\n  x: {shape: [n], values: [0.25, 0.5]}\n"
    reference = (
        "def f(x, n):\n    kept = x[(x * 4).round() <= 1]\n    return torch.cat([kept, torch.zeros(n - len(kept))])"
    )
    one = prepared(make_case(tmp_path, OP, front, reference.replace("len(kept))", "len(kept), dtype=x.dtype)")), n=40)
    assert not one.unmodelled
    assert one.expected[0].exact
