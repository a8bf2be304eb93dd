"""Finds the sections that cause a skill's lift: compares the pass rates with and without each section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.generator.experiment import BASELINE, Arm, Cost, Runner, Seen, version
from pytest_upskill.generator.refine import stop_at_budget, why_undecided
from pytest_upskill.generator.sections import Section, without
from pytest_upskill.records import Outcome
from pytest_upskill.reporting.lift import DECIDED, trials_of
from pytest_upskill.skills.arms import SKILL
from pytest_upskill.statistics.intervals import Difference, Interval, Trials, differences, paired_difference
from pytest_upskill.statistics.significance import LiftVerdict, lift_verdicts, one_sided, pairs_needed

_CLOSE = 0.2
"""If a one-sided p before correction is at most this, a report does not say that no effect was seen."""


class Effect(StrEnum):
    """What leaving a section out did."""

    CARRIES = "carries the lift"
    HARMS = "lowers the pass rate"
    NONE = "no effect seen"
    UNDECIDED = "cannot be decided"


@dataclass(frozen=True, slots=True)
class Row:
    """The comparison of the whole skill with the skill without one section, or without several at once. ``drop`` is the
    pass rate of the whole skill minus the pass rate without the section; ``p`` is two-sided, after Holm's correction
    for all sections.
    """

    title: str
    tokens: int
    pairs: int
    drop: float | None
    interval: Interval | None
    p: float | None
    effect: Effect

    @property
    def may_go(self) -> bool:
        return self.effect in (Effect.NONE, Effect.HARMS)


@dataclass(frozen=True, slots=True)
class Ablation:
    """The result of an ablation. ``lift`` compares the whole skill with no skill. ``together`` is the row for leaving
    out all sections that may go.
    """

    rows: tuple[Row, ...]
    lift: Difference
    together: Row | None
    undecided: int
    """The number of outcomes without a verdict on the student. They count in no comparison."""

    @property
    def may_go(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.may_go)


def ablate(
    runner: Runner,
    cases: Sequence[Case],
    text: str,
    sections: Sequence[Section],
    trials: int,
    seen: Seen = lambda outcome: None,
) -> Ablation:
    """Run the skill ``text`` whole, without each section, and not at all; at last, without all sections that may go.

    Raises BudgetStopped, and StudentError if no section can be compared.
    """
    whole, left_out = Arm(SKILL, text), [version(without(text, [section])) for section in sections]
    outcomes = _run(runner, cases, [whole, BASELINE, *left_out], trials, seen)
    rates = {arm.slug: trials_of([one for one in outcomes if one.arm == arm.slug]) for arm in (whole, BASELINE)}
    each = [trials_of([one for one in outcomes if one.arm == arm.slug]) for arm in left_out]
    rows = _rows(sections, rates[SKILL], each)
    if not any(row.pairs for row in rows):
        raise StudentError(f"no case has a verdict with and without a section: {why_undecided(outcomes)}")
    going = [section for section, row in zip(sections, rows, strict=True) if row.may_go]
    together = None
    if len(going) > 1:
        more = _run(runner, cases, [version(without(text, going))], trials, seen)
        outcomes += more
        together = _together(going, rates[SKILL], trials_of(more))
    lift = paired_difference(rates[SKILL], rates[BASELINE.slug])
    return Ablation(tuple(rows), lift, together, sum(one.verdict.kind not in DECIDED for one in outcomes))


def cost(runner: Runner, cases: Sequence[Case], text: str, sections: Sequence[Section], trials: int) -> Cost:
    """The most that ``ablate`` can cost."""
    left_out = [version(without(text, [section])) for section in sections]
    total = runner.cost(cases, [Arm(SKILL, text), BASELINE, *left_out], trials)
    last = runner.cost(cases, [version(f"{text}\n")], trials) if len(sections) > 1 else Cost()
    return total + last


def what_can_be_decided(cases: int, sections: int) -> str:
    """Say what this number of cases can decide about this number of sections."""
    needed = pairs_needed(sections)
    rule = f"two-sided, exact, after Holm's correction for {sections} sections"
    if cases < needed:
        return f"cannot be decided with {cases} cases: {needed - cases} more are needed ({rule})"
    return f"a section carries the lift if at least {needed} of {cases} cases change, all for the worse ({rule})"


def _run(runner: Runner, cases: Sequence[Case], shown: Sequence[Arm], trials: int, seen: Seen) -> list[Outcome]:
    outcomes = runner.run(cases, shown, trials, seen)
    stop_at_budget(outcomes)
    return outcomes


def _rows(sections: Sequence[Section], whole: Trials, each: Sequence[Trials]) -> list[Row]:
    found = [paired_difference(whole, trials) for trials in each]
    verdicts = lift_verdicts([(one.pairs, one.mean, one.p) for one in found])
    return [
        Row(
            section.title, section.tokens, one.pairs, one.mean, one.interval, verdict.p, _effect(verdict, whole, trials)
        )
        for section, one, verdict, trials in zip(sections, found, verdicts, each, strict=True)
    ]


def _together(going: Sequence[Section], whole: Trials, trials: Trials) -> Row:
    one = paired_difference(whole, trials)
    (verdict,) = lift_verdicts([(one.pairs, one.mean, one.p)])
    tokens, effect = sum(section.tokens for section in going), _effect(verdict, whole, trials)
    return Row("all that may go, together", tokens, one.pairs, one.mean, one.interval, one.p, effect)


def _effect(verdict: LiftVerdict, whole: Trials, trials: Trials) -> Effect:
    if verdict.verdict == "better":
        return Effect.CARRIES
    if verdict.verdict == "worse":
        return Effect.HARMS
    close = one_sided(differences(whole, trials)) <= _CLOSE
    return Effect.UNDECIDED if verdict.verdict is None or close else Effect.NONE
