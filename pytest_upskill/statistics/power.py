"""Computes the power of a lift's verdict: the probability that a suite finds a lift of some size.

It is computed before any student is asked. numpy and scipy are imported on use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_upskill.statistics.significance import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CASES = 1_000
_POINTS = 2_048
"""The number of points at which the distribution of the cases' rates is evaluated."""
_LISTED = 2_000
"""If there are at most this many compositions, all are listed. Otherwise a sample is drawn."""
_SAMPLE = 1_000
_NUMBERS = 4_000_000
"""At most about this many numbers are in memory at once. So large suites use fewer compositions, which differ less."""
_SEED = 20240229
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Assumed:
    """Assumptions about the cases.

    On average, a reply passes with probability ``baseline`` without the skill, and ``baseline + lift`` with the skill.
    ``spread`` is the share of the variance of single replies that is between cases. If it is 0, all cases are equally
    hard. If it is 1, each case always passes or always fails. Raises ValueError if a rate is not between 0 and 1.
    """

    baseline: float
    lift: float
    spread: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("baseline", self.baseline), ("spread", self.spread), ("rate", self.baseline + self.lift)):
            if not -_ROUNDING <= value <= 1 + _ROUNDING:
                raise ValueError(f"the {name} is {value:g}, and must be between 0 and 1")


def difference_shares(assumed: Assumed, trials: int) -> NDArray[Any]:
    """The probability that a case passes d more of its trials with the skill than without it, for each possible d.

    d runs from ``-trials`` to ``trials``. The rates of cases have a beta distribution, so that numbers of passes are
    beta-binomial (Skellam 1948, J. R. Stat. Soc. B 10). Cases have the same order in both arms: a case that is easier
    than another one without the skill is also easier with it.
    """
    import numpy

    with_skill, without = (
        _passes(rate, assumed.spread, trials) for rate in (assumed.baseline + assumed.lift, assumed.baseline)
    )
    joint = with_skill.T @ without / len(with_skill)
    return numpy.array([numpy.trace(joint, -more) for more in range(-trials, trials + 1)])


def power(assumed: Assumed, cases: int, trials: int = 1, level: float = LEVEL) -> float:
    """The probability that the verdict is ``better``.

    The verdict is ``better`` if ``significance.sign_flip`` is at most ``level`` and the mean difference is positive. A
    composition says how many cases differ by one trial, by two trials, and so on. All ways to sign these differences
    give the sum that a composition must reach, and the probability of each sign gives the chance to reach it.
    Compositions are listed with their multinomial weights. If there are too many, 1,000 are drawn with a fixed seed.
    """
    import numpy

    shares = difference_shares(assumed, trials)
    gains, losses = shares[trials + 1 :], shares[:trials][::-1]
    moved = gains + losses
    upward = numpy.divide(gains, moved, out=numpy.full(trials, 0.5), where=moved > 0)
    most = cases * trials
    points = 1 << (2 * most + 1).bit_length()
    counts, weights = _compositions(cases, moved, max(_NUMBERS // points, 50))
    angle = numpy.arange(points) * (2 * math.pi / points)
    null = numpy.ones((len(counts), points))
    found = numpy.ones((len(counts), points), dtype=complex)
    for size, (number, chance) in enumerate(zip(counts.T, upward, strict=True), 1):
        cosine, sine = numpy.cos(size * angle), numpy.sin(size * angle)
        null *= _powers(cosine, number)
        found *= _powers(cosine - 1j * (2 * chance - 1) * sine, number)
    # Element s - 1 of a row is the probability that the sum is at least s.
    by_chance, observed = (_tails(numpy.fft.ifft(one).real[:, 1 : most + 1]) for one in (null, found))
    reached = 2 * by_chance <= level * (1 + _ROUNDING)
    critical = reached.argmax(axis=1)
    chances = numpy.where(reached.any(axis=1), observed[numpy.arange(len(counts)), critical], 0.0)
    return min(max(float(weights @ chances), 0.0), 1.0)


def cases_needed(assumed: Assumed, trials: int, wanted: float, level: float = LEVEL) -> int | None:
    """The smallest number of cases with the ``wanted`` power. None if ``MOST_CASES`` cases have less power.

    The result can be off by a few cases, because power grows with the number of cases, but not at every step.
    """
    low, high = 0, 8
    while power(assumed, high, trials, level) < wanted:
        if high >= MOST_CASES:
            return None
        low, high = high, min(2 * high, MOST_CASES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(assumed, middle, trials, level) >= wanted else (middle, high)
    return high


def detectable_lift(
    baseline: float, spread: float, cases: int, trials: int, wanted: float, level: float = LEVEL
) -> float | None:
    """The smallest lift, in whole percentage points, that a suite finds with the ``wanted`` power.

    None if the suite finds no lift with this power.
    """
    low, high = 0, round(100 * (1 - baseline))
    if high < 1 or power(Assumed(baseline, 1 - baseline, spread), cases, trials, level) < wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(Assumed(baseline, middle / 100, spread), cases, trials, level) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high / 100


def _passes(rate: float, spread: float, trials: int) -> NDArray[Any]:
    """The probability of each number of passes (columns), for cases at evenly spaced ranks of difficulty (rows)."""
    import numpy
    from scipy.special import betaincinv

    rate, place = min(max(rate, 0.0), 1.0), (numpy.arange(_POINTS) + 0.5) / _POINTS
    if spread <= _ROUNDING or rate in (0.0, 1.0):
        rates = numpy.full(_POINTS, rate)
    elif spread >= 1 - _ROUNDING:
        rates = numpy.clip(rate * _POINTS - numpy.arange(_POINTS)[::-1], 0.0, 1.0)
    else:
        amount = 1 / spread - 1
        rates = betaincinv(rate * amount, (1 - rate) * amount, place)
        rates = numpy.clip(rates + rate - rates.mean(), 0.0, 1.0)  # corrects the error of the midpoint rule
    passed = numpy.arange(trials + 1)
    ways = numpy.array([math.comb(trials, number) for number in passed])
    chances: NDArray[Any] = ways * rates[:, None] ** passed * (1 - rates[:, None]) ** (trials - passed)
    return chances


def _compositions(cases: int, moved: NDArray[Any], most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The compositions (rows) and their weights. Column i is the number of cases that differ by i + 1 trials."""
    import numpy

    shares = numpy.array([*moved, max(1 - moved.sum(), 0.0)])
    shares /= shares.sum()
    if math.comb(cases + len(moved), len(moved)) > min(_LISTED, most):
        drawn = numpy.random.default_rng(_SEED).multinomial(cases, shares, min(_SAMPLE, most))
        counts, times = numpy.unique(drawn[:, :-1], axis=0, return_counts=True)
        return counts, times / times.sum()
    counts = numpy.array(list(_sums_up_to(cases, len(moved))))
    whole = numpy.column_stack((counts, cases - counts.sum(axis=1)))
    factorials = numpy.concatenate(([0.0], numpy.cumsum(numpy.log(numpy.arange(1, cases + 1)))))
    with numpy.errstate(divide="ignore", invalid="ignore"):
        logs = numpy.where(whole > 0, whole * numpy.log(shares), 0.0).sum(axis=1)
    return counts, numpy.exp(factorials[cases] - factorials[whole].sum(axis=1) + logs)


def _sums_up_to(total: int, parts: int) -> Iterator[Sequence[int]]:
    if not parts:
        yield ()
        return
    for first in range(total + 1):
        for rest in _sums_up_to(total - first, parts - 1):
            yield (first, *rest)


def _powers(base: NDArray[Any], exponents: NDArray[Any]) -> NDArray[Any]:
    """An array with a row for each exponent, which is the base raised to this power."""
    import numpy

    table = numpy.ones((int(exponents.max()) + 1, len(base)), dtype=base.dtype)
    for exponent in range(1, len(table)):
        table[exponent] = table[exponent - 1] * base
    rows: NDArray[Any] = table[exponents]
    return rows


def _tails(shares: NDArray[Any]) -> NDArray[Any]:
    import numpy

    tails: NDArray[Any] = numpy.cumsum(shares[:, ::-1], axis=1)[:, ::-1]
    return tails
