"""The verdicts of gates on a finished run, one for each skill, student and threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pytest_upskill.history.comparison import Comparison
from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting.lift import DECIDED, trials_of
from pytest_upskill.skills.arms import BASELINE, SKILL
from pytest_upskill.statistics.gates import GateVerdict, by_cost, by_estimate, by_interval
from pytest_upskill.statistics.intervals import Interval, Posterior, Rate, pass_rate, posterior
from pytest_upskill.statistics.planning import needed_for_lift, needed_for_rate
from pytest_upskill.statistics.significance import LEVEL
from pytest_upskill.statistics.until_decided import Progress, Stop, lift_stop, rate_stop


@dataclass(frozen=True, slots=True)
class GateRow:
    """The verdict of a gate on a skill and on a student. A gate on costs has no student.

    ``value`` is what was compared with ``threshold``: a rate, a lift, US dollars, or the number of regressed cases.
    ``interval`` is the 95% interval of ``value``. For an inconclusive gate, ``more_cases`` more cases or
    ``more_trials`` more trials of each case would decide it, if they turn out as the present ones did.
    """

    gate: GateKind
    skill: str
    student: str | None
    threshold: float
    verdict: GateVerdict
    method: str
    value: float | None = None
    interval: Interval | None = None
    reason: str = ""
    more_cases: int | None = None
    more_trials: int | None = None


@dataclass(frozen=True, slots=True)
class Arms:
    """The items of a skill and a student. By arm and case: the results of the trials, and how many trials are
    planned.
    """

    trials: Mapping[str, Mapping[str, Sequence[bool]]]
    planned: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[Outcome]) -> Arms:
        """Return the arms of finished items.

        Items that ended without a verdict do not count as planned, because no verdict will follow. Items that were not
        needed do count.
        """
        groups: dict[str, list[Outcome]] = {}
        for item in items:
            groups.setdefault(item.arm or "", []).append(item)
        planned: dict[str, dict[str, int]] = {}
        for arm, found in groups.items():
            for item in found:
                counted = item.verdict.kind in (*DECIDED, VerdictKind.NOT_NEEDED)
                each = planned.setdefault(arm, {})
                each[item.case or ""] = each.get(item.case or "", 0) + counted
        return cls({arm: trials_of(found) for arm, found in groups.items()}, planned)

    def progress(self, arm: str) -> Progress:
        planned = {case: number for case, number in self.planned.get(arm, {}).items() if number}
        return Progress(self.trials.get(arm, {}), planned)

    def stop(self, gate: Gate, interval: bool, gates: int) -> Stop | None:
        """Return the early decision on a gate on a rate or a lift; None if the gate needs the remaining replies."""
        if gate.kind is GateKind.MIN_PASS_RATE:
            return rate_stop(self.progress(SKILL), gate.threshold, interval, gates)
        return lift_stop(self.progress(SKILL), self.progress(BASELINE), gate.threshold, interval, gates)


Comparisons = Mapping[str, "Comparison | str"]
"""By the name of an earlier run, what changed since that run, or why this is unknown."""


def gate_rows(
    gates: Gates, skills: Sequence[tuple[str, Sequence[Outcome]]], comparisons: Comparisons
) -> tuple[GateRow, ...]:
    """Return the verdicts of the gates on a run. ``skills`` has the judged items by skill."""
    if not gates:
        return ()
    rows: list[GateRow] = []
    compared: list[_Compared] = []
    for skill, items in skills:
        students = sorted({item.student or "" for item in items})
        for gate in gates.of(skill, items[0].id) if items else ():
            if gate.kind is GateKind.MAX_COST:
                rows.append(_on_cost(skill, gate, items))
                continue
            for student in students:
                asked = [item for item in items if item.student == student]
                if gate.kind is GateKind.NO_REGRESSION:
                    rows.append(_on_regression(skill, student, gate, asked, comparisons, gates.interval))
                else:
                    arms = Arms.of(asked)
                    compared.append(_Compared(len(rows), gate, arms, _estimate(arms, gate)))
                    rows.append(_row(skill, student, gate, compared[-1].estimate, gates.interval))
    thresholds = [(one.estimate, one.gate.threshold) for one in compared]
    verdicts = by_interval(thresholds) if gates.interval else [by_estimate(*one) for one in thresholds]
    for one, verdict in zip(compared, verdicts, strict=True):
        rows[one.row] = _decided(replace(rows[one.row], verdict=verdict), one.arms, one.gate, gates, len(compared))
    return tuple(rows)


class _Compared(NamedTuple):
    """A gate on a rate or a lift, with the index of its row and the values that it compares."""

    row: int
    gate: Gate
    arms: Arms
    estimate: Rate | Posterior


def _estimate(arms: Arms, gate: Gate) -> Rate | Posterior:
    treated = arms.trials.get(SKILL, {})
    if gate.kind is GateKind.MIN_PASS_RATE:
        return pass_rate(treated)
    return posterior(treated, arms.trials.get(BASELINE, {}))


def _row(skill: str, student: str, gate: Gate, estimate: Rate | Posterior, interval: bool) -> GateRow:
    if estimate.mean is None:
        what = "passed or failed with the skill" if gate.kind is GateKind.MIN_PASS_RATE else "was decided in both arms"
        reason = f"no case {what}"
    else:
        reason = ""
    method = "interval" if interval else "estimate"
    return GateRow(gate.kind, skill, student, gate.threshold, GateVerdict.INCONCLUSIVE, method,
                   estimate.mean, estimate.interval(), reason)  # fmt: skip


def _decided(row: GateRow, arms: Arms, gate: Gate, gates: Gates, number: int) -> GateRow:
    """Return the row with the verdict that ended the run early, or with the number of cases or trials that would decide
    it.
    """
    unasked = gates.until_decided and sum(map(sum, (each.values() for each in arms.planned.values()))) > sum(
        len(trials) for arm in arms.trials.values() for trials in arm.values())  # fmt: skip
    if unasked and (stop := arms.stop(gate, gates.interval, number)):
        shown = f" [{', '.join(f'{limit:.2f}' for limit in stop.sequence)}]" if stop.sequence else ""
        return replace(row, verdict=stop.verdict, reason=f"decided early: {stop.reason}{shown}")
    if row.verdict is not GateVerdict.INCONCLUSIVE or row.value is None:
        return row
    level, treated = LEVEL / number, arms.trials.get(SKILL, {})
    if gate.kind is GateKind.MIN_PASS_RATE:
        needed = needed_for_rate(treated, gate.threshold, level)
    else:
        needed = needed_for_lift(treated, arms.trials.get(BASELINE, {}), gate.threshold, level)
    return replace(row, more_cases=needed.cases, more_trials=needed.trials)


def _on_cost(skill: str, gate: Gate, items: Sequence[Outcome]) -> GateRow:
    spent = sum(item.cost_usd or 0.0 for item in items)
    unpriced = sum(item.cost_usd is None and bool(item.tokens.input or item.tokens.output) for item in items)
    reason = f"{unpriced} of {len(items)} replies have no price" if unpriced else ""
    verdict = by_cost(spent, gate.threshold, unpriced)
    return GateRow(gate.kind, skill, None, gate.threshold, verdict, "estimate", spent, None, reason)


def _on_regression(
    skill: str, student: str, gate: Gate, items: Sequence[Outcome], comparisons: Comparisons, interval: bool
) -> GateRow:
    """Fail if a case that passed in the earlier run fails now.

    With intervals, a regression fails the gate only if the pass rate is also significantly lower, else it is
    inconclusive.
    """
    method = "interval" if interval else "estimate"
    row = GateRow(gate.kind, skill, student, 0.0, GateVerdict.INCONCLUSIVE, method)
    found = comparisons.get(gate.run, "no earlier run is known")
    if isinstance(found, str):
        return replace(row, reason=found)
    names = (skill, student, SKILL)
    rate = next((one for one in found.rates if (one.skill, one.student, one.arm) == names), None)
    if rate is None:
        return replace(row, reason=f"no case passed or failed both in run {found.before.number} and in this one")
    known = {item.case for item in items if item.xfail}
    lost = [change.key.case for change in found.changes if (*change.key[:1], *change.key[2:4]) == names
            and _share(change.after) < _share(change.before) and change.key.case not in known]  # fmt: skip
    reason = f"since run {found.before.number}"
    row = replace(row, value=float(len(lost)), interval=rate.difference.interval, reason=reason)
    if not lost:
        return replace(row, verdict=GateVerdict.PASS)
    worse = (rate.difference.mean or 0.0) < 0 and rate.p is not None and rate.p <= LEVEL
    verdict = GateVerdict.FAIL if worse or not interval else GateVerdict.INCONCLUSIVE
    return replace(row, verdict=verdict, reason=f"{reason}: {', '.join(lost)}")


def _share(trials: Mapping[int, VerdictKind]) -> float:
    """Return the pass rate of the decided trials. Without one, return NaN, which compares as lower than nothing."""
    decided = [kind is VerdictKind.PASSED for kind in trials.values() if kind in DECIDED]
    return sum(decided) / len(decided) if decided else math.nan
