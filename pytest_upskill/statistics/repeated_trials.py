"""Computes pass@k, pass^k and the flip rate from several trials of the same cases."""

import math
from collections.abc import Callable
from statistics import fmean

from pytest_upskill.statistics.intervals import Rate, Trials, rate_of


def pass_at_k(trials: Trials, k: int) -> float | None:
    """pass@k: an unbiased estimate of the probability that at least one of ``k`` trials passes.

    This is the mean over the cases with at least ``k`` trials (Chen et al. 2021, arXiv 2107.03374). None if there are
    no such cases.
    """
    return _over_cases(trials, k, lambda passed, total: 1 - math.comb(total - passed, k) / math.comb(total, k))


def pass_all_k(trials: Trials, k: int) -> float | None:
    """pass^k: an unbiased estimate of the probability that all of ``k`` trials pass.

    This is the mean over the cases with at least ``k`` trials (Yao et al. 2024, arXiv 2406.12045). None if there are no
    such cases.
    """
    return _over_cases(trials, k, lambda passed, total: math.comb(passed, k) / math.comb(total, k))


def _over_cases(trials: Trials, k: int, share: Callable[[int, int], float]) -> float | None:
    values = [share(sum(case), len(case)) for case in trials.values() if len(case) >= k]
    return fmean(values) if values else None


def flip_rate(trials: Trials) -> Rate:
    """The probability that two trials of the same case have different results.

    For each case, this is the share of its pairs of trials that differ; the result is the mean over cases. It is 0 if
    noise plays no part, and at most 1/2 for many trials per case.
    """
    pairs = {case: math.comb(len(each), 2) for case, each in trials.items() if len(each) > 1}
    values = [sum(trials[case]) * (len(trials[case]) - sum(trials[case])) / all_ for case, all_ in pairs.items()]
    return rate_of(values, len(values))
