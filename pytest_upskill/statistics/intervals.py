"""Rates, differences and their intervals; what has no value is None. scipy loads on first use."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 20240229
"""The seed of the bootstrap: the same outcomes always give the same interval."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference over ``pairs`` cases, its interval, and the p value of the hypothesis that there is none."""

    pairs: int
    mean: float | None = None
    interval: Interval | None = None
    p: float | None = None


def wilson(passed: int, total: int) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927, JASA 22, eq. 6), None if nothing was counted.

    In closed form, so that an interrupted run need not wait for scipy.
    """
    if total == 0:
        return None
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    rate, spread = passed / total, z * z / total
    middle = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(rate * (1 - rate) / total + spread / (4 * total)) / (1 + spread)
    return (max(middle - half, 0.0) if passed else 0.0, min(middle + half, 1.0) if passed < total else 1.0)


def paired_difference(treated: Mapping[str, Sequence[bool]], control: Mapping[str, Sequence[bool]]) -> Difference:
    """Pass rate of ``treated`` minus that of ``control``, over the cases (keys) in which both have a trial.

    A case counts once, whatever its trials: its rate is their mean. The interval is the percentile bootstrap's over
    cases; one case alone has none. The p value is two-sided and comes from flipping the signs of the cases'
    differences, which is exact up to 13 cases.
    """
    if not (cases := [case for case in treated if treated[case] and control.get(case)]):
        return Difference(0)
    differences = [_rate(treated[case]) - _rate(control[case]) for case in cases]
    mean = sum(differences) / len(differences)
    if len(cases) == 1:
        return Difference(1, mean, None, 1.0)
    return Difference(len(cases), mean, _bootstrap(differences), _sign_flip(differences))


def _rate(trials: Sequence[bool]) -> float:
    return sum(trials) / len(trials)


def _bootstrap(differences: Sequence[float]) -> Interval:
    if len(set(differences)) == 1:
        return (differences[0], differences[0])
    import numpy
    from scipy.stats import bootstrap

    sample, options = (numpy.asarray(differences),), {"confidence_level": CONFIDENCE, "method": "percentile"}
    found = bootstrap(sample, numpy.mean, **options, **_resampling()).confidence_interval
    return (float(found.low), float(found.high))


def _sign_flip(differences: Sequence[float]) -> float:
    # A difference of zero is the same flipped: leaving it out changes no p value and keeps the test exact for longer.
    moved = [difference for difference in differences if difference != 0.0]
    if len(moved) < 2:
        return 1.0
    import numpy
    from scipy.stats import permutation_test

    options = {"permutation_type": "samples", "vectorized": True, **_resampling()}
    return float(min(1.0, permutation_test((numpy.asarray(moved),), numpy.sum, **options).pvalue))


def _resampling() -> dict[str, Any]:
    import numpy

    return {"n_resamples": RESAMPLES, "batch": 1000, "rng": numpy.random.default_rng(SEED)}
