"""Estimates how many more cases or trials would decide a gate, if they turn out like the results so far."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from pytest_upskill.statistics.gates import Estimate
from pytest_upskill.statistics.intervals import Posterior, Trials, pass_rate, posterior, rate_of
from pytest_upskill.statistics.significance import LEVEL, sign_flip

_MOST_CASES = 10_000
_MOST_TRIALS = 100


@dataclass(frozen=True, slots=True)
class Needed:
    """How many more cases, or how many more trials of each case, would decide a gate.

    A number is None if no such number was found.
    """

    cases: int | None
    trials: int | None


def needed_for_rate(trials: Trials, threshold: float, level: float = LEVEL) -> Needed:
    """How many more cases or trials would put a pass rate's interval on one side of the threshold."""
    rate, values = pass_rate(trials), [sum(case) / len(case) for case in trials.values() if case]
    if not values:
        return Needed(None, None)
    within = [_within(case) for case in trials.values() if case]
    cases = _more(rate.cases, _MOST_CASES, lambda number: _decides(rate.scaled(number), threshold, level))
    return Needed(cases, _more_trials(values, within, min(len(case) for case in trials.values() if case),
                  lambda moved, each: _decides(rate_of(moved, each * len(moved)), threshold, level)))  # fmt: skip


def needed_for_lift(treated: Trials, control: Trials, threshold: float = 0.0, level: float = LEVEL) -> Needed:
    """How many more cases or trials would put a lift's interval on one side of the threshold."""
    found = posterior(treated, control)
    if found.pairs < 2:
        return Needed(None, None)
    pairs = [(treated[case], control[case]) for case in treated if treated[case] and control.get(case)]
    values = [sum(one) / len(one) - sum(other) / len(other) for one, other in pairs]
    within = [_within(one) + _within(other) for one, other in pairs]
    cases = _more(round(found.pairs), _MOST_CASES, lambda number: _decides(found.scaled(number), threshold, level))
    return Needed(cases, _more_trials(values, within, min(len(arm) for pair in pairs for arm in pair),
                  lambda moved, _: _decides(Posterior(dict(_tally(moved))), threshold, level)))  # fmt: skip


def cases_for_verdict(found: Posterior, comparisons: int = 1) -> int | None:
    """How many more cases the exact test needs to find this lift, if its level is divided by ``comparisons``."""

    def decides(number: int) -> bool:
        counts = found.scaled(number).counts
        signs = [round(1000 * value) for value, share in counts.items() for _ in range(round(share))]
        return sign_flip(signs) <= LEVEL / comparisons

    return _more(round(found.pairs), 1000, decides)


def _decides(estimate: Estimate, threshold: float, level: float) -> bool:
    return estimate.p_against(threshold) <= level


def _more(now: int, most: int, decides: Callable[[int], bool]) -> int | None:
    """How much the number ``now`` must grow until ``decides`` is true. None if the result would exceed ``most``.

    The search doubles its steps, and then bisects.
    """
    if decides(now):
        return 0
    low, high = now, now + 1
    while not decides(high):
        if high >= most:
            return None
        low, high = high, min(2 * high - now + 1, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high - now


def _more_trials(
    values: Sequence[float], within: Sequence[float], now: int, decides: Callable[[Sequence[float], int], bool]
) -> int | None:
    """How many more trials of each case would decide, or None.

    The cases' values are moved towards their mean as further trials would move them. Further trials reduce only the
    noise within cases, not the differences between cases.
    """
    if now < 2 or len(values) < 2:
        return None
    total, centre = variance(values), fmean(values)
    noise = min(fmean(within), total)

    def decided(each: int) -> bool:
        shrink = math.sqrt((total - noise + noise * now / each) / total) if total else 1.0
        return decides([centre + (value - centre) * shrink for value in values], each)

    return _more(now, _MOST_TRIALS, decided)


def _within(trials: Sequence[bool]) -> float:
    """The unbiased variance of a case's rate that is due to its trials. 0 for a single trial."""
    rate = sum(trials) / len(trials)
    return rate * (1 - rate) / (len(trials) - 1) if len(trials) > 1 else 0.0


def _tally(values: Sequence[float]) -> list[tuple[float, float]]:
    tally: dict[float, float] = {}
    for value in values:
        tally[round(value, 9)] = tally.get(round(value, 9), 0.0) + 1
    return list(tally.items())
