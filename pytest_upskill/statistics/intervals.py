"""Computes rates, paired differences and ratios, and their intervals. A number that does not exist is None.

scipy is imported on first use.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from pytest_upskill.statistics.dirichlet import mean_cdf, mean_quantile
from pytest_upskill.statistics.significance import sign_flip

CONFIDENCE = 0.95
_PRIOR: Mapping[float, float] = {1.0: 0.5, 0.0: 1.0, -1.0: 0.5}
"""The prior of paired differences. It has half a case for each of the four results of a pair of trials. Two of the four
results are a difference of 0."""
_LEAST_SPREAD = 0.01
"""The least standard deviation of the logarithms of the cases' ratios that a ratio's interval assumes: about 1%."""

Interval = tuple[float, float]
Trials = Mapping[str, Sequence[bool]]
"""For each case, whether each of its trials passed."""


def wilson(passed: float, total: float, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927, JASA 22, eq. 6). None if ``total`` is 0.

    It is computed in closed form, so that an interrupted run need not wait for scipy.
    """
    if total == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, spread = passed / total, z * z / total
    middle = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(max(rate * (1 - rate), 0.0) / total + spread / (4 * total)) / (1 + spread)
    return (max(middle - half, 0.0) if passed else 0.0, min(middle + half, 1.0) if passed < total else 1.0)


@dataclass(frozen=True, slots=True)
class Rate:
    """The mean of the rates of several cases.

    ``cases`` is the number of cases. ``effective`` is the number of independent trials that would say as much about
    the mean; 0 if there are no cases.
    """

    mean: float | None
    cases: int
    effective: float

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Wilson's interval for the effective number of trials.

        The interval reaches at least as far as the interval of the number of cases at a rate of 0 or 1, however many
        trials each case had. The reason is that a kind of case may be missing among so few cases.
        """
        if self.mean is None:
            return None
        found = wilson(self.mean * self.effective, self.effective, confidence)
        all_passed, none = (wilson(passed, self.cases, confidence) for passed in (self.cases, 0))
        assert found and all_passed and none  # there is a case
        return (min(found[0], all_passed[0]), max(found[1], none[1]))

    def p_against(self, threshold: float) -> float:
        """The p value of the score test of ``threshold``: 1 - the confidence at which the interval just excludes it."""
        if self.mean is None or self.mean == threshold:
            return 1.0
        extreme = 1.0 if threshold < self.mean else 0.0
        return max(_score(self.mean, self.effective, threshold), _score(extreme, self.cases, threshold))

    def scaled(self, cases: int) -> "Rate":
        """The rate of ``cases`` cases, if they turn out like the cases so far."""
        return Rate(self.mean, cases, self.effective * cases / self.cases)


def _score(rate: float, total: float, threshold: float) -> float:
    variance = threshold * (1 - threshold) / total
    return math.erfc(abs(rate - threshold) / math.sqrt(2 * variance)) if variance > 0 else 0.0


def pass_rate(trials: Trials) -> Rate:
    """The pass rate. Each case counts once, however many trials it has."""
    return rate_of([_mean(case) for case in trials.values() if case], sum(map(len, trials.values())))


def rate_of(values: Sequence[float], trials: int) -> Rate:
    """The rate over all cases. ``values`` has the rate of each case (0 to 1), ``trials`` is the number of all trials.

    The effective number of trials is the number of cases divided by the design effect (Kish 1965, Survey Sampling). The
    design effect is the variance of the cases' rates, relative to the variance with one trial per case. Before it is
    computed, one case is added that half passes and half fails, because a few cases that are alike do not prove that
    all cases are alike (Dean and Pagano 2015, J. Surv. Stat. Methodol. 3, compare such intervals).
    """
    squares = sum(value * value for value in values)
    return rate_of_sums(len(values), sum(values), squares, trials)


def rate_of_sums(cases: int, total: float, squares: float, trials: int) -> Rate:
    """Like ``rate_of``, but from the sum of the cases' rates and the sum of the squares of these rates."""
    if not cases:
        return Rate(None, 0, 0)
    mean, centre = total / cases, (total + 0.5) / (cases + 1)
    if trials <= cases:
        return Rate(mean, cases, cases)
    variance = (squares + 0.5) / (cases + 1) - centre * centre
    return Rate(mean, cases, min(cases * centre * (1 - centre) / variance, trials))


def _mean(trials: Sequence[bool]) -> float:
    return sum(trials) / len(trials)


@dataclass(frozen=True, slots=True)
class Posterior:
    """The posterior distribution of the mean of paired differences.

    ``counts`` maps each difference, from -1 to 1, to the number of cases with this difference. With one trial per case,
    this is the posterior of the 2x2 table of paired results, with a Dirichlet prior of 1/2 for each cell. With several
    trials per case, it is the posterior of a Dirichlet process over cases, with the same prior (Ferguson 1973, Ann.
    Stat. 1). Without the prior it would be the Bayesian bootstrap (Rubin 1981, Ann. Stat. 9).
    """

    counts: Mapping[float, float]

    @property
    def pairs(self) -> float:
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """The mean of the observed differences. None if there are no pairs."""
        pairs = self.pairs
        return sum(value * number for value, number in self.counts.items()) / pairs if pairs else None

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """An interval around the middle of the posterior. None if there are fewer than two pairs.

        The interval is widened so that it contains the estimate and the exact limits of the rate of gains (or losses)
        alone. The prior expects gains and losses alike, so if one of them never occurred, the posterior alone would
        exclude large lifts too soon.
        """
        if (mean := self.mean) is None or self.pairs < 2:
            return None
        weights, tail = self._weights(), (1 - confidence) / 2
        low, high = mean_quantile(tail, weights), mean_quantile(1 - tail, weights)
        gained, lost = self._limit(1, confidence), self._limit(-1, confidence)
        return (min(low, mean, -lost), max(high, mean, gained))

    def p_against(self, threshold: float) -> float:
        """The p value of ``threshold``: 1 - the confidence at which the interval just excludes it.

        1 if there is no interval.
        """
        mean = self.mean
        if mean is None or self.pairs < 2 or math.isclose(threshold, mean, abs_tol=1e-9):
            return 1.0
        below = mean_cdf(threshold, self._weights())
        sign = 1 if threshold > mean else -1
        return min(1.0, max(2 * min(below, 1 - below), self._limit_p(sign, threshold)))

    def scaled(self, cases: int) -> "Posterior":
        """The posterior that ``cases`` cases would have, if each difference were as frequent as among these cases."""
        return Posterior({value: number * cases / self.pairs for value, number in self.counts.items()})

    def _weights(self) -> dict[float, float]:
        return {value: self.counts.get(value, 0.0) + _PRIOR.get(value, 0.0) for value in {*self.counts, *_PRIOR}}

    def _part(self, sign: int) -> float:
        return sum(max(sign * value, 0.0) * number for value, number in self.counts.items())

    def _limit(self, sign: int, confidence: float) -> float:
        """The one-sided limit of the rate of gains, less the observed losses (Clopper and Pearson 1934).

        If ``sign`` is -1, gains and losses are exchanged.
        """
        from scipy.special import betaincinv

        part, pairs = self._part(sign), self.pairs
        limit = betaincinv(part + 1, pairs - part, confidence) if pairs - part > 1e-9 else 1.0
        return float(limit) - self._part(-sign) / pairs

    def _limit_p(self, sign: int, threshold: float) -> float:
        from scipy.special import betainc

        part, pairs = self._part(sign), self.pairs
        rate = min(max(sign * threshold + self._part(-sign) / pairs, 0.0), 1.0)
        return 1.0 - float(betainc(part + 1, pairs - part, rate)) if pairs - part > 1e-9 else float(rate < 1.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference over ``pairs`` cases, its interval, and the p value of the hypothesis of no difference."""

    pairs: int
    mean: float | None = None
    interval: Interval | None = None
    p: float | None = None


def paired_difference(treated: Trials, control: Trials) -> Difference:
    """The pass rate of ``treated`` minus that of ``control``, over the cases (keys) in which both have a trial.

    Each case counts once, with the mean of its trials. There is no interval if there are fewer than two cases. The p
    value is two-sided and exact.
    """
    scaled, _ = _differences(treated, control)
    found = posterior(treated, control)
    return Difference(len(scaled), found.mean, found.interval(), sign_flip(scaled) if scaled else None)


def posterior(treated: Trials, control: Trials) -> Posterior:
    """The posterior of the mean difference. Unlike ``paired_difference``, it computes no interval, so it is faster."""
    scaled, whole = _differences(treated, control)
    return Posterior({one / whole: number for one, number in Counter(scaled).items()})


def differences(treated: Trials, control: Trials) -> list[int]:
    """The differences of the cases' rates, as numerators over a common denominator, for the exact tests."""
    return _differences(treated, control)[0]


def _differences(treated: Trials, control: Trials) -> tuple[list[int], int]:
    """The numerators of the cases' differences, and their common denominator."""
    cases = [(treated[case], control[case]) for case in treated if treated[case] and control.get(case)]
    whole = math.lcm(*(len(trials) for pair in cases for trials in pair))
    return [sum(one) * (whole // len(one)) - sum(other) * (whole // len(other)) for one, other in cases], whole


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much a typical case of ``treated`` takes, as a multiple of ``control``, measured over ``pairs`` cases."""

    pairs: int
    mean: float | None = None
    interval: Interval | None = None


NO_RATIO = Ratio(0)


def paired_ratio(treated: Mapping[str, Sequence[float]], control: Mapping[str, Sequence[float]]) -> Ratio:
    """The tokens or the cost of ``treated``, divided by that of ``control``: the geometric mean of the cases' ratios.

    The interval is Student's interval of the logarithms of the ratios (Student 1908, Biometrika 6; Fieller 1954 has
    other intervals for ratios). It assumes that the ratios differ by at least 1%. Cases in which the number of
    ``treated`` or of ``control`` is zero are left out.
    """
    means = {case: (fmean(treated[case]), fmean(control[case]))
             for case in treated if treated[case] and control.get(case)}  # fmt: skip
    logs = [math.log(one / other) for one, other in means.values() if one > 0 and other > 0]
    if not logs:
        return NO_RATIO
    middle = fmean(logs)
    if len(logs) == 1:
        return Ratio(1, math.exp(middle))
    from scipy.special import stdtrit

    spread = max(stdev(logs), _LEAST_SPREAD) / math.sqrt(len(logs))
    half = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2)) * spread
    return Ratio(len(logs), math.exp(middle), (math.exp(middle - half), math.exp(middle + half)))
