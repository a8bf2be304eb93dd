"""Rates and differences: known values, and what cannot be said."""

from __future__ import annotations

import pytest

from pytest_upskill.statistics.intervals import paired_difference, pass_rate, wilson


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


def test_differences_that_are_all_equal_are_not_certain() -> None:
    found = paired_difference(trials("1111"), trials("0000"))
    assert (found.mean, found.p) == (1.0, pytest.approx(2 / 16))
    low, high = found.interval or (0, 0)
    assert (low < 0.3, high) == (True, 1.0)


def test_no_difference_at_all_has_p_of_one_and_an_interval_around_zero() -> None:
    few, many = (paired_difference(trials("10" * half), trials("10" * half)) for half in (2, 20))
    assert (few.mean, few.p, many.p) == (0.0, 1.0, 1.0)
    assert few.interval is not None and many.interval is not None
    assert few.interval[0] == pytest.approx(-few.interval[1])
    assert few.interval[1] > 0.4 > 0.1 > many.interval[1] > 0.05


@pytest.mark.parametrize("cases", [2, 3, 5, 8])
@pytest.mark.parametrize("each", [1, 2, 5])
def test_no_interval_is_a_point_and_each_holds_its_estimate(cases: int, each: int) -> None:
    for passed in range(each + 1):
        arm = {str(case): [trial < passed for trial in range(each)] for case in range(cases)}
        rate = pass_rate(arm)
        for control in (arm, {case: [False] for case in arm}, {case: [True] for case in arm}):
            found = paired_difference(arm, control)
            assert found.mean is not None and found.interval is not None
            assert found.interval[0] <= found.mean <= found.interval[1]
            assert found.interval[1] - found.interval[0] > 0.1
        low, high = rate.interval() or (0, 0)
        assert rate.mean is not None and low <= rate.mean <= high


@pytest.mark.parametrize("cases", [1, 2, 3, 10, 50])
def test_trials_of_cases_that_are_all_alike_are_one_trial_each(cases: int) -> None:
    half = cases // 2
    arm = {str(case): [case < half] * 5 for case in range(cases)}
    assert pass_rate(arm).interval() == pytest.approx(wilson(half, cases))


def test_trials_narrow_an_interval_but_not_beyond_what_the_cases_allow() -> None:
    mixed = {str(case): [trial < 3 for trial in range(5)] for case in range(12)}
    low, high = pass_rate(mixed).interval() or (0, 0)
    one, other = wilson(0.6 * 12, 12) or (0, 0)
    assert one < low < high < other
    all_passed, none = wilson(12, 12) or (0, 0), wilson(0, 12) or (0, 0)
    assert low <= all_passed[0] and high >= none[1]
    # One failed trial in 60 does not prove more than none: cases of another kind may exist all the same.
    almost = {**{str(case): [True] * 5 for case in range(11)}, "11": [True] * 4 + [False]}
    assert (pass_rate(almost).interval() or (1, 1))[0] <= all_passed[0]


def test_a_case_without_a_decided_trial_is_no_case() -> None:
    assert pass_rate({"a": [], "b": [True]}).cases == 1
    assert pass_rate({"a": []}).interval() is None
    assert pass_rate({}).p_against(0.5) == 1.0


def test_exact_p_counts_the_signs_that_are_as_extreme() -> None:
    # Six cases gained and none lost: 2 of the 2**6 ways to sign them are as far from zero.
    assert paired_difference(trials("1111110"), trials("0000000")).p == pytest.approx(2 / 64)


def test_the_interval_holds_the_mean_and_repeats_itself() -> None:
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
    assert one.interval is not None and other.interval is not None
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-5)
