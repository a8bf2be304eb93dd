"""Slips that real kernels make, each with a correct twin that must pass: precision, copies, missing values, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.unit.oracle_kernels import Values, judge_kernel, kernel, make_case

Tensor = torch.Tensor
Compute = Callable[[Values], Tensor]

ROWS_COLS = "dims:\n  rows: 1..64\n  cols: 1..1100\nargs:\n  x: [rows, cols]\n"
HALVES = "dtypes: [float16, bfloat16]\n"


def verdicts(folder: Path, op: str, front: str, reference: str, *computed: Compute) -> list[bool]:
    """Whether each kernel passes."""
    case = make_case(folder, op, front, reference)
    return [all(one.passed for one in judge_kernel(case, kernel(one), examples=25).assertions) for one in computed]


def x_of(values: Values, name: str = "x") -> Tensor:
    value = values[name]
    assert isinstance(value, Tensor)
    return value


def wide(values: Values, name: str = "x") -> Tensor:
    return x_of(values, name).float()


@pytest.mark.parametrize(
    ("reference", "compute"),
    [
        ("torch.softmax(x, -1)", lambda x: torch.softmax(x, -1)),
        ("x.sum(-1)", lambda x: x.sum(-1)),
        ("x * torch.sigmoid(x)", lambda x: x * torch.sigmoid(x)),
        ("(x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0).clamp(min=1e-3)",
         lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0).clamp(min=1e-3)),
    ],
    ids=["softmax", "sum", "silu", "standardised"],
)  # fmt: skip
def test_low_precision_results_that_are_off_by_more_than_their_rounding_fail(
    tmp_path: Path, reference: str, compute: Callable[[Tensor], Tensor]
) -> None:
    def off(values: Values) -> Tensor:
        x = x_of(values)
        return compute(x.float()) * (1 + 4 * torch.finfo(x.dtype).eps)

    reference = f"def f(x):\n    return {reference}"
    passed = verdicts(
        tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS + HALVES, reference, lambda values: compute(wide(values)), off
    )
    assert passed == [True, False]


def test_copies_are_compared_bit_by_bit_and_the_sign_of_a_chosen_zero_is_free(tmp_path: Path) -> None:
    front, op = ROWS_COLS + "dtypes: [float32, float16]\n", "f(Tensor x) -> Tensor"

    def low_bits_cleared(values: Values) -> Tensor:
        x = x_of(values).T.contiguous()
        kind = torch.int32 if x.dtype == torch.float32 else torch.int16
        return (x.view(kind) & ~3).view(x.dtype)

    copied = verdicts(
        tmp_path,
        op,
        front,
        "def f(x):\n    return x.T.contiguous()",
        lambda values: x_of(values).T.contiguous(),
        lambda values: x_of(values).T.contiguous() + 0.0,
        low_bits_cleared,
    )
    assert copied == [True, False, False]
    chosen = verdicts(
        tmp_path,
        op,
        front,
        "def f(x):\n    return x.amax(-1)",
        lambda values: x_of(values).amax(-1),
        lambda values: x_of(values).amax(-1) + 0.0,
        lambda values: x_of(values).amax(-1) * 1.002,
    )
    assert chosen == [True, True, False]


def test_one_sum_is_correctly_rounded_and_a_product_in_it_may_be_contracted(tmp_path: Path) -> None:
    front = ROWS_COLS.replace("x: [rows, cols]\n", "x: [rows, cols]\n  y: [rows, cols]\n")
    op = "f(Tensor x, Tensor y) -> Tensor"

    def nudged(values: Values) -> Tensor:
        total = x_of(values) + x_of(values, "y")
        return torch.nextafter(total, torch.full_like(total, math.inf))

    one = verdicts(tmp_path, op, front, "def f(x, y):\n    return x + y", lambda v: x_of(v) + x_of(v, "y"), nudged)
    assert one == [True, False]
    contracted = verdicts(
        tmp_path,
        op,
        front,
        "def f(x, y):\n    return x * 2.5 + y",
        lambda v: x_of(v) * 2.5 + x_of(v, "y"),
        lambda v: (x_of(v).double() * 2.5 + x_of(v, "y").double()).float(),
        lambda v: (x_of(v) * 2.5 + x_of(v, "y")) * (1 + 2**-21),
    )
    assert contracted == [True, True, False]


def test_reference_that_cancels_accepts_a_kernel_that_does_not(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..2000\nargs:\n  x: {shape: [n], values: -12.0..12.0}\ndtypes: [float32, float64]\n"
    passed = verdicts(
        tmp_path,
        "f(Tensor x) -> Tensor",
        front,
        "def f(x):\n    return 0.5 * x * (1 + torch.erf(x * 0.7071067811865476))",
        lambda values: 0.5 * x_of(values) * torch.erfc(-x_of(values) * 0.7071067811865476),
        lambda values: torch.nn.functional.gelu(x_of(values), approximate="tanh"),
    )
    assert passed == [True, False]


@pytest.mark.parametrize("start", [0.0, -1.0, -100.0, torch.finfo(torch.float32).tiny])
def test_maximum_that_starts_at_a_number_fails(tmp_path: Path, start: float) -> None:
    passed = verdicts(
        tmp_path,
        "f(Tensor x) -> Tensor",
        ROWS_COLS,
        "def f(x):\n    return x.amax(-1)",
        lambda values: x_of(values).amax(-1),
        lambda values: x_of(values).amax(-1).clamp(min=start),
    )
    assert passed == [True, False]


def test_int64_that_is_narrowed_to_32_bits_fails(tmp_path: Path) -> None:
    passed = verdicts(
        tmp_path,
        "f(Tensor x) -> Tensor",
        ROWS_COLS + "dtypes: [int64]\n",
        "def f(x):\n    return x.flip(-1)",
        lambda values: x_of(values).flip(-1),
        lambda values: x_of(values).flip(-1).int().long(),
    )
    assert passed == [True, False]


def test_epsilon_that_is_left_out_fails_where_zeros_are_allowed(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..2000\nargs:\n  x: [n]\n  v: {shape: [n], values: nonnegative}\n"
    passed = verdicts(
        tmp_path,
        "f(Tensor x, Tensor v) -> Tensor",
        front,
        "def f(x, v):\n    return x / (v.sqrt() + 1e-8)",
        lambda values: x_of(values) / (x_of(values, "v").sqrt() + 1e-8),
        lambda values: x_of(values) / x_of(values, "v").sqrt(),
    )
    assert passed == [True, False]


def test_size_that_the_prompt_promises_is_tried(tmp_path: Path) -> None:
    front = ROWS_COLS.replace("cols: 1..1100", "cols: 1..300") + "speed: {rows: 64, cols: 4096}\n"

    def wrong(values: Values) -> Tensor:
        x = x_of(values)
        return x[..., :2048].sum(-1)

    reference = "def f(x):\n    return x.sum(-1)"
    passed = verdicts(tmp_path, "f(Tensor x) -> Tensor", front, reference, lambda values: x_of(values).sum(-1), wrong)
    assert passed == [True, False]


def test_region_inside_the_ranges_is_tried(tmp_path: Path) -> None:
    front = "dims:\n  m: 1..300\n  n: 1..300\nargs:\n  x: [m, n]\n"

    def wrong(values: Values) -> Tensor:
        x = x_of(values)
        inside = x.shape[0] > 200 and x.shape[1] < 100 and x.shape[1] > 3
        return x * 3 + (1.0 if inside else 0.0)

    reference = "def f(x):\n    return x * 3"
    passed = verdicts(tmp_path, "f(Tensor x) -> Tensor", front, reference, lambda values: x_of(values) * 3, wrong)
    assert passed == [True, False]


def test_operation_without_a_rounding_model_is_named_and_its_correct_kernel_passes(tmp_path: Path) -> None:
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, "def f(x):\n    return torch.fft.fft(x).abs()")
    judgement = judge_kernel(case, kernel(lambda values: torch.fft.fft(x_of(values)).abs()))
    assert all(one.passed for one in judgement.assertions)
    assert judgement.notes == ("judged with a wide tolerance: the rounding of _fft_r2c is not modelled",)


def test_arithmetic_of_python_is_noticed(tmp_path: Path) -> None:
    reference = "def f(x):\n    return torch.tensor(x.double().numpy() * 1.1).to(x.dtype)"
    case = make_case(tmp_path, "f(Tensor x) -> Tensor", ROWS_COLS, reference)
    judgement = judge_kernel(case, kernel(lambda values: x_of(values) * 1.1))
    assert all(one.passed for one in judgement.assertions)
    assert judgement.notes == ("judged with a wide tolerance: the rounding of Python's own arithmetic is not modelled",)


def test_exponential_by_a_power_of_two_passes(tmp_path: Path) -> None:
    front = "dims:\n  n: 1..2000\nargs:\n  x: {shape: [n], values: -40.0..40.0}\n"

    def fast(values: Values) -> Tensor:
        return torch.exp2((x_of(values) * 1.4426950408889634).float())

    passed = verdicts(
        tmp_path,
        "f(Tensor x) -> Tensor",
        front,
        "def f(x):\n    return x.exp()",
        fast,
        lambda values: fast(values) * (1 + 2**-15),
    )
    assert passed == [True, False]


def test_welfords_update_of_rows_far_from_zero_passes_where_the_reference_spells_the_variance_out(
    tmp_path: Path,
) -> None:
    def welford(values: Values) -> Tensor:
        x = x_of(values)
        average, squares = torch.zeros(len(x)), torch.zeros(len(x))
        for count, column in enumerate(x.unbind(-1), 1):
            delta = column - average
            average = average + delta / count
            squares = squares + delta * (column - average)
        return torch.rsqrt(squares / x.shape[-1] + 1e-2)

    reference = (
        "def f(x):\n    centred = x - x.mean(-1, keepdim=True)\n"
        "    return torch.rsqrt((centred * centred).mean(-1) + 1e-2)"
    )
    front = ROWS_COLS.replace("1..1100", "2..9")
    passed = verdicts(
        tmp_path, "f(Tensor x) -> Tensor", front, reference, welford, lambda values: welford(values) * (1 + 2**-8)
    )
    assert passed == [True, False]
