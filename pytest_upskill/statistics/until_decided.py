"""Decides whether a run can stop before all replies are there. scipy is imported on use.

A gate is decided early in two cases: if no outcome of the remaining trials can change the verdict (curtailment), or if
a confidence sequence excludes the threshold. A confidence sequence is an interval that stays valid if it is computed
again after each reply.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_upskill.statistics.gates import Estimate, GateVerdict, by_estimate
from pytest_upskill.statistics.intervals import (
    CONFIDENCE,
    Interval,
    Rate,
    Trials,
    pass_rate,
    posterior,
)
from pytest_upskill.statistics.significance import LEVEL

CURTAILED = "no remaining reply can change it"
LOOKING_LEVEL = 0.01
"""The level of the confidence sequence. The verdict at the end of a run has its own level, in addition to this one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of one arm: for each case, which trials so far passed, and how many trials are planned in all."""

    trials: Trials
    planned: Mapping[str, int]

    def ending(self, passed: bool) -> dict[str, list[bool]]:
        """All trials of each case, if all remaining trials have the result ``passed``."""
        known = {case: list(self.trials.get(case, ())) for case in self.planned}
        return {case: each + [passed] * (self.planned[case] - len(each)) for case, each in known.items()}

    def complete(self) -> dict[str, Sequence[bool]]:
        """The cases of which all planned trials are finished."""
        return {case: each for case, each in self.trials.items() if len(each) >= self.planned.get(case, 0)}


@dataclass(frozen=True, slots=True)
class Stop:
    """A verdict that is already certain, and the reason.

    If a confidence sequence decided, ``sequence`` is the interval, which excludes the threshold.
    """

    verdict: GateVerdict
    reason: str
    sequence: Interval | None = field(default=None, compare=False)


def rate_stop(arm: Progress, threshold: float, interval: bool = False, gates: int = 1) -> Stop | None:
    """The verdict of a gate on a pass rate if it is already decided, otherwise None.

    If ``interval``, the gate compares the interval with the threshold, otherwise the estimate. ``gates`` is the number
    of all gates.
    """
    worst, best = pass_rate(arm.ending(False)), pass_rate(arm.ending(True))
    if interval:
        # Wilson's limits move outwards with fewer effective trials, and there are at least as many trials as cases.
        pessimistic = [Rate(rate.mean, rate.cases, rate.cases) for rate in (worst, best)]
        optimistic = [Rate(rate.mean, sum(arm.planned.values()), sum(arm.planned.values())) for rate in (worst, best)]
        found = _certain(pessimistic, optimistic, threshold, gates)
    else:
        found = _same(worst, best, threshold)
    if found is None:
        values = [sum(case) / len(case) for case in arm.complete().values() if case]
        found = _sequential(sum(values), len(values), threshold, gates)
        if found is None:
            return None
        sequence = confidence_sequence(sum(values), len(values), 1 - LOOKING_LEVEL / gates)
        return Stop(found, f"its confidence sequence excludes {threshold:g}", sequence)
    return Stop(found, CURTAILED)


def lift_stop(
    treated: Progress, control: Progress, threshold: float, interval: bool = False, gates: int = 1
) -> Stop | None:
    """Like ``rate_stop``, but for a gate on the lift."""
    worst = posterior(treated.ending(False), control.ending(True))
    best = posterior(treated.ending(True), control.ending(False))
    ends = [worst, best]
    found = _certain(ends, ends, threshold, gates) if interval else _same(worst, best, threshold)
    if found is not None:
        return Stop(found, CURTAILED)
    counts = dict(posterior(treated.complete(), control.complete()).counts)
    if threshold == 0:
        counts.pop(0.0, None)  # cases without a difference say nothing about the sign of the lift
    passed = sum((1 + value) / 2 * number for value, number in counts.items())
    total = sum(counts.values())
    found = _sequential(passed, total, (1 + threshold) / 2, gates)
    if found is None:
        return None
    # Cases without a difference were left out, so there is no confidence sequence of the lift itself.
    rates = confidence_sequence(passed, total, 1 - LOOKING_LEVEL / gates) if threshold else None
    sequence = rates and (2 * rates[0] - 1, 2 * rates[1] - 1)
    return Stop(found, f"its confidence sequence excludes {threshold:+g}", sequence)


def _same(worst: Estimate, best: Estimate, threshold: float) -> GateVerdict | None:
    verdict = by_estimate(worst, threshold)
    return verdict if verdict is by_estimate(best, threshold) else None


def _certain(
    pessimistic: Sequence[Estimate], optimistic: Sequence[Estimate], threshold: float, gates: int
) -> GateVerdict | None:
    """The verdict of a gate on intervals if it is the same however the remaining trials end, otherwise None.

    ``pessimistic`` and ``optimistic`` hold the estimates at the worst and the best end, with as few and as many
    effective trials as possible. Holm's correction for several gates is never stricter than dividing the level by their
    number.
    """
    for end, verdict in zip(pessimistic, (GateVerdict.PASS, GateVerdict.FAIL), strict=True):
        if by_estimate(end, threshold) is verdict and end.p_against(threshold) <= LEVEL / gates:
            return verdict
    worst, best = optimistic
    may_pass = by_estimate(best, threshold) is GateVerdict.PASS and best.p_against(threshold) <= LEVEL
    may_fail = by_estimate(worst, threshold) is GateVerdict.FAIL and worst.p_against(threshold) <= LEVEL
    return None if may_pass or may_fail else GateVerdict.INCONCLUSIVE


def _sequential(passed: float, total: float, threshold: float, gates: int) -> GateVerdict | None:
    if not total or log_evidence(passed, total, threshold) < math.log(gates / LOOKING_LEVEL):
        return None
    return GateVerdict.PASS if passed / total > threshold else GateVerdict.FAIL


def log_evidence(passed: float, total: float, rate: float) -> float:
    """The logarithm of the evidence against ``rate``.

    If ``rate`` is the true rate, the probability that the result reaches log(1/a) at any look is at most a. The
    evidence is the beta-binomial mixture of Howard et al. 2021 (Ann. Stat. 49, section 3.2). Its beta distribution has
    the mean ``rate`` and the weight of one case. ``passed`` is a sum of values from 0 to 1, one for each of ``total``
    cases.
    """
    from scipy.special import betaln, xlogy

    if not 0 < rate < 1:
        return math.inf if passed != rate * total else 0.0
    failed = total - passed
    return float(betaln(rate + passed, 1 - rate + failed) - betaln(rate, 1 - rate)
                 - xlogy(passed, rate) - xlogy(failed, 1 - rate))  # fmt: skip


def confidence_sequence(passed: float, total: float, confidence: float = CONFIDENCE) -> Interval | None:
    """An interval of a rate that remains valid if it is looked at after each case. None if ``total`` is 0."""
    if not total:
        return None
    from scipy.optimize import brentq

    bound, mean, edge = -math.log(1 - confidence), passed / total, 1e-9

    def limit(end: float) -> float:
        if abs(mean - end) <= edge or log_evidence(passed, total, abs(end - edge)) < bound:
            return end
        inner = min(max(mean, edge), 1 - edge)
        return float(brentq(lambda rate: log_evidence(passed, total, rate) - bound, abs(end - edge), inner))

    return (limit(0.0), limit(1.0))
