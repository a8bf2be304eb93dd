"""Rates and differences: known values, and what cannot be said."""

from __future__ import annotations

import pytest

from pytest_upskill.statistics.intervals import paired_difference, wilson


def trials(text: str) -> dict[str, list[bool]]:
    """``"10"``: case 0 passed, case 1 failed; one trial each."""
    return {str(case): [char == "1"] for case, char in enumerate(text)}


def test_wilson_interval_of_17_in_20_is_the_textbook_value() -> None:
    assert wilson(17, 20) == pytest.approx((0.6396, 0.9476), abs=1e-4)


def test_wilson_interval_of_a_perfect_rate_is_not_a_point() -> None:
    low, high = wilson(3, 3) or (0, 0)
    assert 0.4 < low < 0.5
    assert high == pytest.approx(1.0)


def test_nothing_counted_has_no_interval() -> None:
    assert wilson(0, 0) is None


def test_difference_is_over_the_cases_that_both_have() -> None:
    found = paired_difference({"a": [True], "b": [True], "c": [False]}, {"a": [False], "b": [True], "d": [True]})
    assert (found.pairs, found.mean) == (2, 0.5)


def test_a_case_counts_once_whatever_its_trials() -> None:
    found = paired_difference({"a": [True, True, True, False], "b": [False]}, {"a": [False], "b": [False]})
    assert found.mean == pytest.approx(0.375)


def test_an_undecided_case_is_no_pair() -> None:
    assert paired_difference({"a": []}, {"a": [True]}).pairs == 0
    assert paired_difference({"a": [True]}, {"a": []}).mean is None


def test_one_case_has_a_difference_and_no_interval() -> None:
    found = paired_difference(trials("1"), trials("0"))
    assert (found.mean, found.interval, found.p) == (1.0, None, 1.0)


def test_differences_that_are_all_equal_give_a_point() -> None:
    found = paired_difference(trials("1111"), trials("0000"))
    assert (found.interval, found.p) == ((1.0, 1.0), pytest.approx(2 / 16))


def test_no_difference_at_all_has_p_of_one() -> None:
    found = paired_difference(trials("1010"), trials("1010"))
    assert (found.mean, found.interval, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_exact_p_counts_the_signs_that_are_as_extreme() -> None:
    # Six cases gained and none lost: 2 of the 2**6 ways to sign them are as far from zero.
    assert paired_difference(trials("1111110"), trials("0000000")).p == pytest.approx(2 / 64)


def test_bootstrap_holds_the_mean_and_repeats_itself() -> None:
    treated, control = trials("1110110111011011"), trials("0110100000010100")
    first, second = paired_difference(treated, control), paired_difference(treated, control)
    assert first == second
    assert first.interval is not None and first.mean is not None
    assert first.interval[0] < first.mean < first.interval[1]


def test_swapping_the_arms_turns_the_sign() -> None:
    treated, control = trials("11101101"), trials("01000000")
    one, other = paired_difference(treated, control), paired_difference(control, treated)
    assert one.mean == pytest.approx(-(other.mean or 0))
    assert one.p == pytest.approx(other.p)
