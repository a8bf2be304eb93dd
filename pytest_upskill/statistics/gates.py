"""Decides gates: whether a rate, a lift or a cost meets a threshold, judged by the estimate or by its interval."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from pytest_upskill.statistics.significance import LEVEL, holm

_ROUNDING = 1e-9


class GateVerdict(StrEnum):
    """The verdict of a gate."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Estimate(Protocol):
    """A rate or a difference. It has a value, and a p value of the hypothesis that the true value is ``threshold``."""

    @property
    def mean(self) -> float | None: ...

    def p_against(self, threshold: float) -> float: ...


def by_estimate(estimate: Estimate, threshold: float) -> GateVerdict:
    """Whether the estimate reaches the threshold. Inconclusive if the estimate has no value."""
    if estimate.mean is None:
        return GateVerdict.INCONCLUSIVE
    return GateVerdict.PASS if estimate.mean >= threshold - _ROUNDING else GateVerdict.FAIL


def by_interval(gates: Sequence[tuple[Estimate, float]], level: float = LEVEL) -> list[GateVerdict]:
    """For each estimate, the side of its threshold on which its whole interval is.

    Inconclusive if the interval contains the threshold. The p values of several gates are corrected by Holm's method,
    so the intervals that decide here are wider than the intervals in reports.
    """
    chances = holm([estimate.p_against(threshold) for estimate, threshold in gates])
    return [by_estimate(*gate) if p <= level else GateVerdict.INCONCLUSIVE
            for gate, p in zip(gates, chances, strict=True)]  # fmt: skip


def by_cost(usd: float, limit: float, unpriced: int = 0) -> GateVerdict:
    """Whether the cost is within the limit. Inconclusive if the known cost is, but some replies have no price."""
    if usd > limit + _ROUNDING:
        return GateVerdict.FAIL
    return GateVerdict.INCONCLUSIVE if unpriced else GateVerdict.PASS


def exit_status(verdicts: Iterable[GateVerdict]) -> int:
    """The exit status of pytest: 1 if a gate failed, otherwise 7 if a gate is inconclusive, otherwise 0."""
    found = set(verdicts)
    return 1 if GateVerdict.FAIL in found else 7 if GateVerdict.INCONCLUSIVE in found else 0
