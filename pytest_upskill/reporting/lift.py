"""How much better one arm is than another: rows of lift, with verdicts that allow for the number of comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.statistics.flags import Flag, case_flags
from pytest_upskill.statistics.intervals import (
    NO_RATIO,
    Interval,
    Ratio,
    Trials,
    paired_difference,
    paired_ratio,
    posterior,
)
from pytest_upskill.statistics.planning import cases_for_verdict
from pytest_upskill.statistics.significance import lift_verdicts

DECIDED = (VerdictKind.PASSED, VerdictKind.FAILED)


@dataclass(frozen=True, slots=True)
class LiftRow:
    """Pass rate of ``arm`` minus that of ``against``, paired by case.

    ``verdict`` is ``better``, ``worse`` or ``undecided``. It follows from ``p_corrected``, which is ``p`` after Holm's
    correction for all rows of the run. If no outcome of so few ``pairs`` could decide the lift, ``verdict`` is None and
    ``decidable`` is false.
    """

    skill: str
    student: str
    arm: str
    against: str
    pairs: int
    lift: float | None
    interval: Interval | None
    p: float | None
    verdict: str | None = None
    decidable: bool = False
    p_corrected: float | None = None
    more_cases: int | None = None
    """How many more cases would decide an undecided lift, if they turn out as the present cases did."""
    tokens: Ratio = NO_RATIO
    cost: Ratio = NO_RATIO
    """Tokens and cost of ``arm`` relative to ``against``."""
    per_usd: float | None = None
    """The lift divided by the additional cost of a trial in ``arm``, in US dollars; None if ``arm`` does not
    cost more.
    """
    flags: Mapping[Flag, tuple[str, ...]] = field(default_factory=dict)
    """The cases with each flag; empty unless ``against`` is the baseline."""


def lift_row(names: tuple[str, str, str, str], treated: Sequence[Outcome], control: Sequence[Outcome]) -> LiftRow:
    """Return the row of two arms. ``names`` are the names of the skill, the student and both arms."""
    found = paired_difference(trials_of(treated), trials_of(control))
    cost, other = _costs(treated), _costs(control)
    extra = [fmean(cost[case]) - fmean(other[case]) for case in cost if case in other]
    dearer = fmean(extra) if extra else 0.0
    return LiftRow(
        *names, found.pairs, found.mean, found.interval, found.p,
        tokens=paired_ratio(_tokens(treated), _tokens(control)),
        cost=paired_ratio(cost, other),
        per_usd=found.mean / dearer if found.mean is not None and dearer > 0 else None,
    )  # fmt: skip


def with_verdicts(rows: Sequence[LiftRow], trials: Sequence[tuple[Trials, Trials]]) -> list[LiftRow]:
    """Return all rows of a run with their verdicts. ``trials`` has the trials of both arms for each row."""
    judged = lift_verdicts([(row.pairs, row.lift, row.p) for row in rows])
    more = [
        cases_for_verdict(posterior(*arms), len(rows)) if one.verdict == "undecided" and row.lift else None
        for row, one, arms in zip(rows, judged, trials, strict=True)
    ]
    return [replace(row, verdict=one.verdict, decidable=one.decidable, p_corrected=one.p, more_cases=cases)
            for row, one, cases in zip(rows, judged, more, strict=True)]  # fmt: skip


def flags_of(skill: Trials, baseline: Trials) -> dict[Flag, tuple[str, ...]]:
    """Return the cases with each flag."""
    flags = {
        case: case_flags(skill.get(case, ()), baseline.get(case, ())) for case in dict.fromkeys((*skill, *baseline))
    }
    return {flag: cases for flag in Flag if (cases := tuple(case for case, found in flags.items() if flag in found))}


def trials_of(items: Sequence[Outcome]) -> dict[str, list[bool]]:
    """Return, by case, whether each decided trial passed."""
    trials: dict[str, list[bool]] = {}
    for item in items:
        if item.verdict.kind in DECIDED:
            trials.setdefault(item.case or "", []).append(item.verdict.kind is VerdictKind.PASSED)
    return trials


def _tokens(items: Sequence[Outcome]) -> dict[str, list[float]]:
    tokens: dict[str, list[float]] = {}
    for item in items:
        if item.verdict.kind in DECIDED:
            tokens.setdefault(item.case or "", []).append(item.tokens.input + item.tokens.output)
    return tokens


def _costs(items: Sequence[Outcome]) -> dict[str, list[float]]:
    """Return, by case, the cost of each decided item in US dollars; empty if any of these items has no price."""
    costs: dict[str, list[float]] = {}
    for item in items:
        if item.verdict.kind in DECIDED:
            if item.cost_usd is None:
                return {}
            costs.setdefault(item.case or "", []).append(item.cost_usd)
    return costs
