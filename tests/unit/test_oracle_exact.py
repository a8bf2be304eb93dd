"""The exact lane: which references are linear, what whole numbers they get, and what dies on them alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.compare import judge
from pytest_upskill.oracle.draw import parse_example
from pytest_upskill.oracle.families import INTEGERS
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import Preparation, Prepared, as_bytes
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import Answer, Call, Example, TensorArgument
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
    signature_of,
    values_of,
)

OP = "f(Tensor x) -> Tensor"
LOW = "dtypes: [float32, float16, bfloat16]\n"
TWO_OPERANDS = "dims:\n  m: 1..40\n  n: 1..40\n  k: 1..600\nargs:\n  x: [m, k]\n  y: [k, n]\n"
Adder = Callable[[torch.Tensor], torch.Tensor]


def preparation(case: Case) -> Preparation:
    return Preparation(case, signature_of(case).layout)


def whole(case: Case, dtype: str = "float32", seed: int = 1, **dims: int) -> Prepared:
    with isolated():
        found = preparation(case).prepare(Example(dims, dtype, seed, INTEGERS))
    assert isinstance(found, Prepared)
    return found


def x_of(one: Prepared, name: str = "x") -> torch.Tensor:
    value = values_of(one.call)[name]
    assert isinstance(value, torch.Tensor)
    return value


def accepted(one: Prepared, out: torch.Tensor) -> bool:
    expected = one.expected[0]
    return judge(one.expected, {expected.name: as_bytes(out.to(DTYPE[expected.dtype]))}) is None


# ------------------------------------------------------------------------------------------- what is linear


@pytest.mark.parametrize(
    "reference",
    [
        "x.sum(-1)",
        "x.cumsum(-1)",
        "x.t().contiguous() * 3 - 2",
        "torch.where(x.isnan(), 0, x)",
        "torch.nn.functional.pad(x, (1, 1)).unfold(-1, 3, 1).sum(-1)",
    ],
)
def test_sums_scans_copies_and_whole_multiples_are_linear(tmp_path: Path, reference: str) -> None:
    assert preparation(make_case(tmp_path, OP, ROWS_COLS, f"def f(x):\n    return {reference}")).linear("float32")


@pytest.mark.parametrize(
    "reference",
    [
        "x.relu()",
        "x.abs().sum(-1)",
        "x * x",
        "torch.softmax(x, -1)",
        "x.mean(-1)",
        "x * 0.3",
        "x.amax(-1)",
        "x.argmax(-1)",
        "x * 0 + 1",
        "(x.mean(-1, keepdim=True) * x.shape[1]).exp()",
        "torch.nn.functional.layer_norm(x, x.shape[1:])",
    ],
)
def test_what_is_bent_rounded_or_constant_is_not_linear(tmp_path: Path, reference: str) -> None:
    assert not preparation(make_case(tmp_path, OP, ROWS_COLS, f"def f(x):\n    return {reference}")).linear("float32")


def test_a_product_is_linear_in_each_operand_and_a_square_is_not(tmp_path: Path) -> None:
    op = "f(Tensor x, Tensor y) -> Tensor"
    assert preparation(make_case(tmp_path, op, TWO_OPERANDS, "def f(x, y):\n    return x @ y")).linear("float32")
    square = make_case(tmp_path, op, TWO_OPERANDS, "def f(x, y):\n    return (x * x) @ y")
    assert not preparation(square).linear("float32")


def test_a_scalar_must_be_able_to_be_a_whole_number(tmp_path: Path) -> None:
    op = "f(Tensor x, float alpha) -> Tensor"

    def linear(values: str) -> bool:
        front = ROWS_COLS + f"  alpha: {{values: {values}}}\n"
        return preparation(make_case(tmp_path, op, front, "def f(x, alpha):\n    return x * alpha")).linear("float32")

    assert linear("-4.0..4.0") and linear("[0.5, 2.0]")
    assert not linear("0.1..0.9") and not linear("[0.5, 2.5]")


def test_declared_tolerances_inputs_of_the_cases_own_and_integers_keep_a_case_out(tmp_path: Path) -> None:
    same = "def f(x):\n    return x.sum(-1)"
    own = "def inputs(generator, dtype, rows, cols):\n    return {'x': torch.ones(rows, cols, dtype=dtype)}"
    assert not preparation(make_case(tmp_path, OP, ROWS_COLS, same, own)).linear("float32")
    loose = ROWS_COLS + "tolerance: {rtol: 0.1, atol: 0.1}\n"
    assert not preparation(make_case(tmp_path, OP, loose, same)).linear("float32")
    both = preparation(make_case(tmp_path, OP, ROWS_COLS + "dtypes: [int32, float32]\n", "def f(x):\n    return x + x"))
    assert both.linear("float32") and not both.linear("int32")


# ------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("seed", range(6))
def test_inputs_are_whole_numbers_or_binary_fractions_without_zeros_and_bounds_are_zero(
    tmp_path: Path, seed: int
) -> None:
    one = whole(make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x.sum(-1)"), seed=seed, rows=8, cols=700)
    x = x_of(one).double()
    assert torch.equal(x * 16, (x * 16).round()) and bool((x != 0).all()) and float(x.abs().max()) <= 255
    assert torch.equal(x, x.round()) == (seed % 2 == 0)
    assert one.expected[0].bound is not None and float(one.expected[0].bound.max()) == 0
    assert float(x.abs().sum(-1).max()) <= 2**24


def test_all_terms_of_a_product_fit_into_floats_mantissa_whatever_the_inner_size(tmp_path: Path) -> None:
    front = "dims:\n  m: 1..8\n  n: 1..8\n  k: 1..70000\nargs:\n  x: [m, k]\n  y: [k, n]\n"
    case = make_case(tmp_path, "f(Tensor x, Tensor y) -> Tensor", front, "def f(x, y):\n    return x @ y")
    for seed, k in ((1, 1), (2, 129), (3, 4099), (4, 65537)):
        one = whole(case, seed=seed, m=3, n=2, k=k)
        x, y = x_of(one).double(), x_of(one, "y").double()
        assert float((x.abs() @ y.abs()).max()) <= 2**24
        assert one.expected[0].bound is not None and float(one.expected[0].bound.max()) == 0


def test_declared_values_are_kept(tmp_path: Path) -> None:
    def drawn(values: str) -> set[float]:
        front = ROWS_COLS.replace("x: [rows, cols]", f"x: {{shape: [rows, cols], values: {values}}}")
        case = make_case(tmp_path, OP, front, "def f(x):\n    return x.sum(-1)")
        return set(x_of(whole(case, rows=8, cols=64)).reshape(-1).tolist())

    assert drawn("0.0..3.0") == {1.0, 2.0, 3.0}
    assert drawn("[-2.0, 0.5, 7.0]") == {-2.0, 7.0}
    assert min(drawn("positive")) >= 1
    assert drawn("bool") == {0.0, 1.0}


def test_a_result_that_its_dtype_cannot_hold_may_be_off_by_its_one_rounding(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + LOW, "def f(x):\n    return x.sum(-1)")
    seen = 0
    for seed in range(8):
        one = whole(case, "float16", seed, rows=32, cols=600)
        gold, bound = one.expected[0].gold, one.expected[0].bound
        assert bound is not None
        inexact = gold.half().double() != gold
        seen += int(inexact.sum())
        assert bool((bound[~inexact] == 0).all())
        assert bool((bound[inexact] <= gold.abs()[inexact] * 2**-10).all()) and bool((bound[inexact] >= 0.125).all())
    assert seen > 20


def test_a_reference_that_rounds_in_between_gets_numbers_that_need_no_rounding(tmp_path: Path) -> None:
    reference = "def f(x):\n    return x.sum(-1).to(x.dtype)[:, None] - x.sum(-1).to(x.dtype)[:, None] + x"
    case = make_case(tmp_path, OP, ROWS_COLS + LOW, reference)
    for seed in range(4):
        one = whole(case, "bfloat16", seed, rows=4, cols=300)
        assert one.expected[0].bound is not None and accepted(one, x_of(one))


def test_what_is_not_linear_is_drawn_as_usual_under_that_name(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x.exp()")
    one = whole(case, rows=4, cols=30)
    assert float(one.expected[0].bound.min()) > 0  # type: ignore[union-attr]
    assert str(one.example) == "rows=4 cols=30 dtype=float32 seed=1 values=integers"
    assert parse_example(str(one.example), case) == one.example


# ------------------------------------------------------------------------------------------- who passes


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("add", [serial_sum, pairwise_sum, blocked_sum, kahan_sum])
def test_every_order_of_summation_gives_the_same_bits(tmp_path: Path, dtype: str, add: Adder) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + LOW, "def f(x):\n    return x.sum(-1)")
    for seed, cols in enumerate((1, 2, 33, 257, 1100)):
        one = whole(case, dtype, seed, rows=16, cols=cols)
        x = x_of(one).float()
        for order in (x, x.flip(-1), x.sort(-1).values, x[:, torch.randperm(cols)]):
            assert accepted(one, add(order))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_dropped_element_a_sample_and_low_accumulation_die(tmp_path: Path, dtype: str) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS + LOW, "def f(x):\n    return x.sum(-1)")
    caught: dict[str, list[bool]] = {"dropped": [], "sampled": [], "low": []}
    for seed in range(16):
        one = whole(case, dtype, seed, rows=16, cols=1024)
        x = x_of(one).float()
        low = DTYPE[dtype] if dtype != "float32" else torch.float16
        caught["dropped"].append(not accepted(one, serial_sum(x[:, :-1])))
        caught["sampled"].append(not accepted(one, 2 * serial_sum(x[:, ::2])))
        caught["low"].append(not accepted(one, serial_sum(x.to(low)).float()))
    for name, each in caught.items():  # not in each example, but in any few of them
        assert all(any(each[start : start + 4]) for start in range(0, 16, 4)), (name, each)


def test_one_missing_term_of_a_long_sum_dies_where_the_bound_lets_it_pass(tmp_path: Path) -> None:
    """The reason for the lane: with a hundred thousand terms the worst case of serial summation hides a small one."""
    front = "dims:\n  rows: 1..4\n  cols: 1..200000\nargs:\n  x: [rows, cols]\n"
    case = make_case(tmp_path, OP, front, "def f(x):\n    return x.sum(-1)")
    with isolated():
        usual = preparation(case).prepare(Example({"rows": 2, "cols": 150_000}, "float32", 3, "shifted"))
    assert isinstance(usual, Prepared)
    assert accepted(usual, x_of(usual)[:, :-1].double().sum(-1))
    one = whole(case, rows=2, cols=150_000)
    assert not accepted(one, x_of(one)[:, :-1].double().sum(-1))
    assert accepted(one, x_of(one).sum(-1))


# ------------------------------------------------------------------------------------------- in an exploration


def sizes_of(call: Call) -> int:
    return sum(one.elements for one in call.arguments if isinstance(one, TensorArgument))


def recorded(run: Run, calls: list[Call]) -> Run:
    def with_record(call: Call) -> Answer:
        calls.append(call)
        return run(call)

    return with_record


def summed(add: Adder) -> Run:
    def compute(values: Values) -> torch.Tensor:
        x = values["x"]
        assert isinstance(x, torch.Tensor)
        return add(x.float())

    return kernel(compute)


def is_whole(call: Call) -> bool:
    x = torch.frombuffer(bytearray(call.arguments[1].data), dtype=torch.float32)  # type: ignore[union-attr]
    return x.numel() > 1 and torch.equal(x * 16, (x * 16).round())


def test_kernel_that_is_right_on_whole_numbers_alone_fails(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x.sum(-1)")

    def compute(values: Values) -> torch.Tensor:
        total = pairwise_sum(values["x"])  # type: ignore[arg-type]
        return torch.where(total == total.round(), total, total * (1 + 3e-7))

    assert failed(judge_kernel(case, kernel(compute), examples=25)) == ["correct[float32]"]


def test_a_linear_case_meets_whole_numbers_among_small_examples_and_in_a_large_one(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..512\n  cols: 1..4096\nargs:\n  x: [rows, cols]\n"
    case, calls = make_case(tmp_path, OP, front, "def f(x):\n    return x.sum(-1)"), []
    assert failed(judge_kernel(case, recorded(summed(pairwise_sum), calls), examples=25)) == []
    exact = [sizes_of(call) for call in calls if is_whole(call)]
    assert len(exact) >= 3 and max(exact) >= 1 << 17 and min(exact) < 1 << 14


def test_another_case_meets_outliers_in_a_large_example(tmp_path: Path) -> None:
    front = "dims:\n  rows: 1..512\n  cols: 1..4096\nargs:\n  x: [rows, cols]\n"
    case, calls = make_case(tmp_path, OP, front, "def f(x):\n    return x.sum(-1) / 3"), []
    for seed in range(3):
        assert failed(judge_kernel(case, recorded(summed(lambda x: pairwise_sum(x) / 3), calls), seed=seed)) == []
    large = [call for call in calls if sizes_of(call) >= 1 << 17]
    outliers = 0
    for call in large:
        x = torch.frombuffer(bytearray(call.arguments[1].data), dtype=torch.float32)  # type: ignore[union-attr]
        rare = float((x.abs() >= 15).double().mean())
        outliers += 0.002 < rare < 0.006
    assert outliers >= 3


def test_a_counterexample_of_whole_numbers_says_so_and_replays(tmp_path: Path) -> None:
    case = make_case(tmp_path, OP, ROWS_COLS, "def f(x):\n    return x.sum(-1)")

    def off_by_a_digit(x: torch.Tensor) -> torch.Tensor:
        return pairwise_sum(x) * (1 + 2**-23)

    found = judge_kernel(case, summed(off_by_a_digit), examples=25).counterexample
    assert found is not None and found.example.values == INTEGERS
    assert "where 0 is allowed (whole numbers or binary fractions, whose sum is exact in any order)" in found.message
    again = judge_kernel(case, summed(off_by_a_digit), only=parse_example(str(found.example), case)).counterexample
    assert again is not None and again.message == found.message
