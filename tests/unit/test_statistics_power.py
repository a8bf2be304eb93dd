"""The power of a lift's verdict, against a simulation of whole runs and against an independent formula."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pytest_upskill.statistics.power import MOST_CASES, Assumed, cases_needed, detectable_lift, difference_shares, power
from pytest_upskill.statistics.significance import LEVEL, fewest_gains, lift_verdicts, sign_flip

SAMPLE = [
    (0.4, 0.3, 0.5, 20, 1, 1), (0.3, 0.5, 0.0, 10, 1, 1), (0.5, 0.5, 0.5, 9, 1, 1), (0.4, 0.2, 1.0, 40, 2, 1),
    (0.3, 0.3, 0.7, 15, 2, 1), (0.2, 0.25, 0.5, 12, 5, 1), (0.4, 0.3, 0.2, 16, 3, 4), (0.6, 0.2, 0.5, 21, 3, 2),
]  # fmt: skip
GRID = [
    (baseline, lift, spread, cases, trials, comparisons)
    for baseline, lift in ((0.0, 0.3), (0.1, 0.2), (0.4, 0.15), (0.7, 0.3))
    for spread in (0.0, 0.8)
    for cases, trials, comparisons in ((8, 1, 1), (8, 5, 3), (21, 2, 3), (30, 3, 1), (60, 1, 3), (90, 4, 1))
]


def simulated(
    baseline: float, lift: float, spread: float, cases: int, trials: int, comparisons: int, runs: int
) -> float:
    """The share of runs whose lift is found better, as reports find it: among lifts of which the others are nothing."""
    random = np.random.default_rng([cases, trials, comparisons])
    place = random.random((runs, cases))
    rates = [beta_rates(mean, spread, place) for mean in (baseline, baseline + lift)]
    without, with_skill = (random.binomial(trials, np.broadcast_to(one, place.shape)) for one in rates)

    @cache
    def better(differences: tuple[int, ...]) -> bool:
        nothing = [(cases, 0.0, 1.0)] * (comparisons - 1)
        found = lift_verdicts([(cases, sum(differences) / cases, sign_flip(differences)), *nothing])
        return found[0].verdict == "better"

    moved = np.sort(with_skill - without, axis=1).tolist()
    return sum(better(tuple(one)) for one in moved) / runs


def beta_rates(mean: float, spread: float, place: np.ndarray) -> np.ndarray:
    if spread == 0 or mean in (0, 1):
        return np.asarray(mean)
    if spread == 1:
        return (place > 1 - mean).astype(float)
    amount = 1 / spread - 1
    return np.asarray(stats.beta.ppf(place, mean * amount, (1 - mean) * amount))


def both(design: tuple[float, float, float, int, int, int], runs: int) -> tuple[float, float]:
    baseline, lift, spread, cases, trials, comparisons = design
    return power(Assumed(baseline, lift, spread), cases, trials, LEVEL / comparisons), simulated(*design, runs)


@pytest.mark.parametrize("design", SAMPLE)
def test_power_agrees_with_simulated_runs_within_two_points(design: tuple[float, float, float, int, int, int]) -> None:
    computed, counted = both(design, 3000)
    assert computed == pytest.approx(counted, abs=0.02)


@pytest.mark.full
def test_power_agrees_with_many_simulated_runs_within_two_points_everywhere() -> None:
    found = {design: both(design, 10_000) for design in GRID}
    assert {design: pair for design, pair in found.items() if abs(pair[0] - pair[1]) > 0.02} == {}
    assert abs(np.mean([computed - counted for computed, counted in found.values()])) < 0.002


@pytest.mark.parametrize(("baseline", "lift", "cases"), [(0.4, 0.3, 20), (0.1, 0.5, 7), (0.5, 0.2, 55), (0.3, 0.4, 6)])
def test_with_one_trial_of_equal_cases_it_is_the_power_of_mcnemars_exact_test(
    baseline: float, lift: float, cases: int
) -> None:
    gain, loss = (baseline + lift) * (1 - baseline), baseline * (1 - baseline - lift)
    expected = 0.0
    for losses in range(cases + 1):
        least = fewest_gains(losses, LEVEL / 2)
        for gains in range(least, cases - losses + 1):
            same = cases - gains - losses
            expected += stats.multinomial.pmf([gains, losses, same], cases, [gain, loss, 1 - gain - loss])
    assert power(Assumed(baseline, lift, 0.0), cases) == pytest.approx(expected, abs=1e-9)


def test_five_cases_decide_nothing_and_six_that_all_gain_decide() -> None:
    assert power(Assumed(0.0, 1.0), 5, trials=5) == 0.0
    assert power(Assumed(0.0, 1.0), 6) == pytest.approx(1.0)


@pytest.mark.parametrize(("spread", "trials"), [(0.0, 1), (0.5, 3), (1.0, 2)])
def test_without_a_lift_better_is_found_in_at_most_half_of_the_level(spread: float, trials: int) -> None:
    assert power(Assumed(0.5, 0.0, spread), 30, trials) <= LEVEL / 2


def test_more_comparisons_smaller_lifts_and_fewer_trials_have_less_power() -> None:
    most = power(Assumed(0.4, 0.3), 20, 3)
    assert most > power(Assumed(0.4, 0.3), 20, 3, LEVEL / 4)
    assert most > power(Assumed(0.4, 0.2), 20, 3)
    assert most > power(Assumed(0.4, 0.3), 20, 1)


def test_the_shares_of_differences_have_the_lift_as_their_mean() -> None:
    shares = difference_shares(Assumed(0.35, 0.25, 0.6), 4)
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ np.arange(-4, 5) / 4 == pytest.approx(0.25, abs=1e-6)


def test_the_fewest_cases_have_the_power_and_half_of_them_do_not() -> None:
    needed = cases_needed(Assumed(0.4, 0.3), 2, 0.8)
    assert needed is not None
    assert power(Assumed(0.4, 0.3), needed, 2) >= 0.8 > power(Assumed(0.4, 0.3), needed // 2, 2)
    assert cases_needed(Assumed(0.4, 0.02, 0.0), 1, 0.8) is None
    assert power(Assumed(0.4, 0.02, 0.0), MOST_CASES) < 0.8


def test_the_smallest_lift_is_found_and_one_point_less_is_not() -> None:
    lift = detectable_lift(0.4, 0.5, 21, 3, 0.8)
    assert lift is not None
    assert power(Assumed(0.4, lift), 21, 3) >= 0.8 > power(Assumed(0.4, lift - 0.01), 21, 3)
    assert detectable_lift(0.4, 0.5, 5, 3, 0.8) is None
    assert detectable_lift(1.0, 0.5, 50, 3, 0.8) is None


@pytest.mark.parametrize("values", [(-0.1, 0.2), (0.5, 0.6), (float("nan"), 0.1), (0.2, 0.2, 1.5)])
def test_rates_that_are_none_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        Assumed(*values)
