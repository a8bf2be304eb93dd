"""What the oracle alone must catch, with the default number of examples: each wrong kernel of each operator dies.

And what it must not take for wrong, or must count as an error of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.reference import empty_examples
from pytest_upskill.oracle.tolerance import floor
from pytest_upskill.records import Answer, Call, TensorArgument
from tests.sampling import every
from tests.unit.oracle_kernels import (
    ROWS_COLS,
    Run,
    Values,
    blocked_sum,
    failed,
    judge_kernel,
    kahan_sum,
    kernel,
    make_case,
    pairwise_sum,
    serial_sum,
)

OP = "f(Tensor x) -> Tensor"
LOW = ROWS_COLS + "dtypes: [float32, float16, bfloat16]\n"
ALL = ["correct[float32]", "correct[float16]", "correct[bfloat16]"]
Adder = Callable[[torch.Tensor], torch.Tensor]


def on_x(compute: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    def with_x(values: Values) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return compute(x.float())

    return kernel(with_x)


def total(x: torch.Tensor, add: Adder) -> torch.Tensor:
    return add(x)


def softmax(x: torch.Tensor, add: Adder) -> torch.Tensor:
    exponentials = torch.exp(x - x.amax(-1, keepdim=True))
    return exponentials / add(exponentials)[..., None]


def rms_norm(x: torch.Tensor, add: Adder) -> torch.Tensor:
    return x * torch.rsqrt(add(x * x) / x.shape[-1] + 1e-5)[..., None]


OPERATORS = {
    "sum": ("x.sum(-1)", total),
    "softmax": ("torch.softmax(x, -1)", softmax),
    "rms_norm": ("x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)", rms_norm),
}


def tree(x: torch.Tensor) -> torch.Tensor:
    return pairwise_sum(x) if x.shape[-1] else torch.zeros(x.shape[:-1])


# Clipped outliers do not change softmax: exponentials are at most 1.
MUTANTS: dict[str, Adder] = {
    "last element dropped": lambda x: tree(x[..., :-1]),
    "first element twice": lambda x: tree(x) + x[..., 0],
    "every second one": lambda x: 2 * tree(x[..., ::2]),
    "one in sixteen": lambda x: tree(x[..., ::16]) * (x.shape[-1] / len(range(0, x.shape[-1], 16))),
    "cut off at 1024": lambda x: tree(x[..., :1024]),
    "whole warps only": lambda x: tree(x[..., : x.shape[-1] // 32 * 32]),
    "accumulated in half": lambda x: serial_sum(x.half()).float(),
    "outliers clipped": lambda x: tree(x.clamp(-14, 14)),
}


ORDERS = [(add, name) for add in (serial_sum, blocked_sum, pairwise_sum, kahan_sum) for name in OPERATORS]


@pytest.mark.parametrize("order", every(2, ORDERS, lambda order: f"{order[0].__name__}-{order[1]}"))
def test_every_honest_order_passes_with_low_precision_inputs_accumulated_in_float(
    tmp_path: Path, order: tuple[Adder, str]
) -> None:
    add, name = order
    reference, compute = OPERATORS[name]
    case = make_case(tmp_path, OP, LOW, f"def f(x):\n    return {reference}")
    assert failed(judge_kernel(case, on_x(lambda x: compute(x, add)), examples=12)) == []


MUTATED = [
    (mutant, name) for mutant in MUTANTS for name in OPERATORS if (name, mutant) != ("softmax", "outliers clipped")
]


@pytest.mark.parametrize("mutated", every(2, MUTATED, lambda mutated: f"{mutated[0]}-{mutated[1]}"))
def test_every_mutant_dies_within_the_default_number_of_examples(tmp_path: Path, mutated: tuple[str, str]) -> None:
    mutant, name = mutated
    reference, compute = OPERATORS[name]
    front = ROWS_COLS.replace("1..1100", "1..2100")
    case = make_case(tmp_path, OP, front, f"def f(x):\n    return {reference}")
    wrong = on_x(lambda x: compute(x, MUTANTS[mutant]))
    assert "correct[float32]" in failed(judge_kernel(case, wrong, examples=None))


# ------------------------------------------------------------------------------------------- wild values

WILD = LOW.replace("x: [rows, cols]", "x: {shape: [rows, cols], values: wild}")


def scaled(values: Values) -> torch.Tensor:
    x = values["x"]
    assert isinstance(x, torch.Tensor)
    return x.float() * 1.5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf),
        lambda x: x.clamp(-3e38, 3e38),
        lambda x: torch.where(x.isinf(), torch.nan, x),
        lambda x: torch.where(x.abs() < 1.1754944e-38, 0.0, x),
    ],
    ids=["nan replaced", "infinities clamped", "infinities become nan", "denormals flushed"],
)
def test_wild_values_hold_masks_and_denormals_to_the_letter(
    tmp_path: Path, spoil: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    reference = "def f(x):\n    y = x * 1.5\n    return torch.cat([y, y - y], -1)"
    front = WILD.replace(", float16, bfloat16", "")
    case = make_case(tmp_path, OP, front, reference)

    def right(values: Values) -> torch.Tensor:
        return torch.cat([scaled(values), scaled(values) - scaled(values)], -1)

    assert failed(judge_kernel(case, kernel(right), examples=25)) == []
    wrong = kernel(lambda values: spoil(right(values)))
    assert failed(judge_kernel(case, wrong, examples=25)) == ["correct[float32]"]


def test_wild_values_in_low_precision_overflow_as_rounding_does(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, WILD, "def f(x):\n    return x * 1.5")
    assert failed(judge_kernel(case, kernel(scaled), examples=25)) == []

    def saturated(values: Values) -> torch.Tensor:
        return scaled(values).clamp(-60000, 60000)

    assert "correct[float16]" in failed(judge_kernel(case, kernel(saturated), examples=25))


def test_below_the_normal_numbers_a_unit_in_the_last_place_is_the_smallest_subnormal() -> None:
    smallest = 2.0**-149
    gold = torch.tensor([0.0, 7 * smallest, 2.0**-127, 1.0], dtype=torch.float64)
    assert floor(gold, "float32").tolist() == [5 * smallest, 5 * smallest, 5 * smallest, 4 * 2.0**-23 + smallest]


# ------------------------------------------------------------------------------------------- sizes of 0


def test_each_dim_that_may_be_0_is_tried_with_it(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..900\n  cols: 1..900\nzero: true\nargs:\n  x: [rows, cols]\n"
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x * 0.3")
    shapes: set[tuple[int, ...]] = set()

    def run(call: Call) -> Answer:
        x = call.arguments[1]
        assert isinstance(x, TensorArgument)
        shapes.add(x.shape)
        return on_x(lambda x: x * 0.3)(call)

    for seed in range(3):
        shapes.clear()
        assert failed(judge_kernel(case, run, seed=seed, examples=4)) == []
        assert any(rows == 0 for rows, _ in shapes) and any(cols == 0 for _, cols in shapes)


def test_a_kernel_that_fails_on_a_size_of_0_alone_fails(tmp_path: Path) -> None:
    front = "dims:\n  rows: 0..900\n  cols: 1..900\nargs:\n  x: [rows, cols]\n"
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x.sum(0)")
    wrong = on_x(lambda x: serial_sum(x.t()) if x.shape[0] else torch.full(x.shape[1:], torch.nan))
    judgement = judge_kernel(case, wrong, examples=4)
    assert failed(judgement) == ["correct[float32]"]
    assert judgement.counterexample is not None and judgement.counterexample.example.dims["rows"] == 0


def test_examples_with_a_size_of_0_keep_the_conditions(tmp_path: Path) -> None:
    front = "dims:\n  a: 0..9\n  b: 0..9\n  c: 1..9\nwhere: ['a >= b', 'c % 4 == 0']\nargs:\n  x: [a, b, c]\n"
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x")
    found = empty_examples(case, "float32")
    assert {name: dict(one.dims) for name, one in found.items()} == {
        "a": {"a": 0, "b": 0, "c": 4}, "b": {"a": 3, "b": 0, "c": 4}
    }  # fmt: skip


# ------------------------------------------------------------------------------------------- the case's own fault


@pytest.mark.parametrize(
    "reference", ["def f(x):\n    return x + torch.randn(x.shape)", "def f(x):\n    return torch.dropout(x, 0.5, True)"]
)
def test_a_reference_that_draws_random_numbers_is_the_cases_fault(tmp_path: Path, reference: str) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS, reference)
    with pytest.raises(CaseError) as caught:
        judge_kernel(case, on_x(lambda x: x))
    assert caught.value.line is not None and caught.value.path == case.path
    assert "the reference gave two results 'out' for one and the same input" in caught.value.message
    assert "take them as an argument of 'op', or call torch.manual_seed(0)" in caught.value.message


def test_a_reference_that_seeds_its_random_numbers_is_no_fault(tmp_path: Path) -> None:
    reference = "def f(x):\n    torch.manual_seed(0)\n    return x * torch.randint(2, 9, (1,))"
    case = make_case(tmp_path, OP, ROWS_COLS, reference)

    def same(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return x * torch.randint(2, 9, (1,))

    assert failed(judge_kernel(case, on_x(same))) == []


def test_inputs_that_do_not_repeat_are_the_cases_fault(tmp_path: Path) -> None:
    inputs = """
    import random

    def inputs(generator, dtype, rows, cols):
        return {"x": torch.full((rows, cols), random.random()).to(dtype)}
    """
    case = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x * 2", inputs)
    with pytest.raises(CaseError, match="gave two values of 'x' for one and the same example") as caught:
        judge_kernel(case, on_x(lambda x: x * 2))
    assert "draw everything from 'generator'" in caught.value.message


# ------------------------------------------------------------------------------------------- discrete results


def test_a_near_tie_is_drawn_again_and_the_other_side_of_it_would_have_failed(tmp_path: Path) -> None:
    """Rounding decides whether x * 0.1 is above 0.3 at x = 3: no kernel is judged there."""
    front = ROWS_COLS.replace("x: [rows, cols]", "x: {shape: [rows, cols], values: 2.9999995..3.0000005}")
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x * 0.1 > 0.3")
    judgement = judge_kernel(case, on_x(lambda x: x * 0.1 > 0.3))
    assert judgement.inconclusive is not None and "near-tie" in judgement.inconclusive
    wide = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x * 0.1 > 0.3")
    assert failed(judge_kernel(wide, on_x(lambda x: x * 0.1 > 0.3))) == []
    assert failed(judge_kernel(wide, on_x(lambda x: x * 0.1 > 0.2))) == ["correct[float32]"]
