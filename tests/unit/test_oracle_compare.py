"""Judging bytes: masks, bounds, bools, and messages that a person can use."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_upskill.oracle.compare import Mismatch, first_difference, judge
from pytest_upskill.oracle.prepare import Expected, as_bytes
from pytest_upskill.records import WorstElement
from pytest_upskill.sandbox import shared_memory

NAN, INF = math.nan, math.inf


def hold(gold: torch.Tensor, got: torch.Tensor, bound: float | None = 1e-6, dtype: str = "float32") -> Mismatch | None:
    allowed = None if bound is None else torch.full(gold.shape, bound, dtype=torch.float64)
    values = gold.double() if bound is not None else gold
    return judge((Expected("out", dtype, values, allowed),), {"out": as_bytes(got)})


def wrong(gold: torch.Tensor, got: torch.Tensor, bound: float | None = 1e-6, dtype: str = "float32") -> Mismatch:
    mismatch = hold(gold, got, bound, dtype)
    assert mismatch is not None
    return mismatch


def test_what_is_within_the_bound_passes_and_what_is_beyond_fails() -> None:
    assert hold(torch.ones(3), torch.ones(3) + 5e-7) is None
    assert wrong(torch.ones(3), torch.ones(3) + 5e-6).wrong == 3


@pytest.mark.parametrize(("expected", "got"), [(1.0, NAN), (NAN, 1.0), (INF, 1.0), (1.0, INF), (INF, -INF), (NAN, INF)])
def test_masks_must_match_whatever_the_bound(expected: float, got: float) -> None:
    gold = torch.tensor([0.0, expected])
    assert hold(gold, torch.tensor([0.0, got]), bound=1e300) is not None


@pytest.mark.parametrize("value", [NAN, INF, -INF, -0.0])
def test_equal_masks_pass(value: float) -> None:
    assert hold(torch.tensor([value, 1.0]), torch.tensor([value, 1.0])) is None


def test_an_infinite_bound_lets_no_nan_through() -> None:
    assert hold(torch.ones(1), torch.tensor([NAN]), bound=INF) is not None


def test_the_worst_element_is_the_one_furthest_beyond_its_bound() -> None:
    gold = torch.zeros(2, 3, dtype=torch.float64)
    bound = torch.tensor([[1.0, 1e-3, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    got = torch.tensor([[5.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    mismatch = judge((Expected("out", "float32", gold, bound),), {"out": as_bytes(got)})
    assert mismatch is not None and mismatch.index == (0, 1) and mismatch.wrong == 2
    assert mismatch.message == (
        "2 of 6 elements of 'out' are wrong (only the first row); "
        "the worst is out[0, 1]: expected 0, got 0.5, off by 0.5 where 0.001 is allowed"
    )
    assert mismatch.worst == WorstElement("out", (0, 1), "0", "0.5", "0.5", "0.001")


def test_integers_must_be_equal_beyond_what_a_double_can_tell() -> None:
    gold = torch.tensor([2**62, 5])
    assert hold(gold, gold.clone(), None, "int64") is None
    mismatch = wrong(gold, gold + torch.tensor([1, 0]), None, "int64")
    assert (mismatch.index, mismatch.expected, mismatch.got) == ((0,), 2**62, 2**62 + 1)


def test_a_bool_with_other_bits_than_0_and_1_is_wrong() -> None:
    gold = torch.tensor([True, False])
    assert hold(gold, torch.tensor([1, 0], dtype=torch.uint8), None, "bool") is None
    mismatch = wrong(gold, torch.tensor([255, 0], dtype=torch.uint8), None, "bool")
    assert (mismatch.expected, mismatch.got) == ("true", "a byte of 255")


def test_a_missing_output_and_one_of_another_size_are_named() -> None:
    one = Expected("out", "float32", torch.zeros(2), torch.zeros(2))
    missing, short = judge((one,), {}), judge((one,), {"out": b"1234"})
    assert missing is not None and missing.message == "'out' was not returned"
    assert short is not None and short.message == "'out' was returned with 4 bytes instead of 8"


def test_an_empty_output_passes() -> None:
    assert hold(torch.zeros(0, 3), torch.zeros(0, 3)) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t[:, -1:].fill_(9.0), "only the last column"),
        (lambda t: t[-1:].fill_(9.0), "only the last row"),
        (lambda t: t[:, :1].fill_(9.0), "only the first column"),
        (lambda t: t.fill_(0.0), "all of those are 0, every element"),
        (lambda t: t.view(torch.int32).fill_(0xFFFAFFFA - 2**32), "nan, as if never written, every element"),
        (lambda t: t.view(torch.int32).fill_(0x7FF97FF9), "as if never written"),
        (lambda t: t.view(torch.int32).fill_(0x7FFC7FFC), "as if never written"),
        (lambda t: t.view(torch.int32).fill_(0x7FFFFFFF), "NaN, every element"),  # what a GPU computes
        (lambda t: t.fill_(NAN), "NaN, every element"),
        (lambda t: t.reshape(-1)[64:].fill_(9.0), "from element 64 on; all before it are right"),
        (lambda t: t[3, 4].fill_(9.0), ""),
    ],
)
def test_hints_say_what_wrong_elements_have_in_common(spoil: object, said: str) -> None:
    gold = torch.randn(8, 16, generator=torch.Generator().manual_seed(1)) + 20
    got = gold.clone()
    spoil(got)  # type: ignore[operator]
    hint = wrong(gold, got).hint
    assert said in hint if said else hint == ""


def test_answers_are_compared_bit_by_bit() -> None:
    one, other = torch.zeros(2, 3), torch.zeros(2, 3)
    assert first_difference(as_bytes(one), as_bytes(other), "float32", (2, 3)) is None
    other[1, 2] = -0.0
    assert first_difference(as_bytes(one), as_bytes(other), "float32", (2, 3)) == ((1, 2), 0.0, -0.0)


def test_the_patterns_that_outputs_are_filled_with_are_nans_of_every_floating_dtype() -> None:
    for pattern in (*shared_memory.POISONS, shared_memory.POISON_OF_REPEATS):
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            filled = torch.tensor([pattern - 2**16 if pattern >> 15 else pattern] * 4, dtype=torch.int16)
            assert bool(filled.view(dtype).isnan().all())


def test_the_window_around_the_worst_element_has_its_plane_and_errors_as_multiples_of_the_bound() -> None:
    gold = torch.zeros(2, 20, 30)
    got = gold.clone()
    got[1, 19, 2], got[1, 18, 3], got[0, 19, 2] = 5.0, 0.25, 3.0
    around = wrong(gold, got, bound=0.5).worst.around
    assert around is not None and around.start == (12, 0)
    assert (len(around.ratios), len(around.ratios[0])) == (8, 8)
    assert (around.ratios[7][2], around.ratios[6][3], around.ratios[0][0]) == (10.0, 0.5, 0.0)
    assert (around.expected[7][2], around.got[7][2]) == ("0", "5")


@pytest.mark.parametrize(("gold", "got", "bound"), [
    (torch.ones(3), torch.tensor([1.0, NAN, 1.0]), 1e-6),
    (torch.tensor([1, 2, 3]), torch.tensor([1, 7, 3]), None),
])  # fmt: skip
def test_a_wrong_element_without_a_size_of_error_has_no_number(
    gold: torch.Tensor, got: torch.Tensor, bound: float | None
) -> None:
    around = wrong(gold, got, bound, "float32" if bound else "int64").worst.around
    assert around is not None and around.ratios == ((0.0, None, 0.0),) and around.start == (0, 0)


def test_a_scalar_is_a_window_of_one_element() -> None:
    around = wrong(torch.tensor(1.0), torch.tensor(2.0), bound=0.5).worst.around
    assert around is not None and (around.expected, around.got, around.ratios) == ((("1",),), (("2",),), ((2.0,),))
