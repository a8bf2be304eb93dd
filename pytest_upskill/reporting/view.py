"""The view model of a finished run, from which every report is made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_upskill.records import ItemKind, Outcome, Tokens, VerdictKind
from pytest_upskill.statistics import intervals as statistics
from pytest_upskill.statistics.intervals import Interval

SKILL_ARM = "skill"
BASELINE_ARM = "baseline"
_DECIDED = (VerdictKind.PASSED, VerdictKind.FAILED)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a whole.

    ``started`` is ISO 8601 text, ``seconds`` the run's length, ``sandbox`` the confinement in force, ``replies`` the
    folder that keeps the replies, as the user would type it; ``source`` says where they came from, if not from
    the usual place, and ``spent`` what this run spent on new ones.
    """

    machine: Mapping[str, Any]
    device: str
    seed: int
    started: str
    seconds: float
    self_check: bool = False
    sandbox: str = ""
    notes: tuple[str, ...] = ()
    replies: str | None = None
    source: str = ""
    spent: str = ""
    answers: tuple[str, str] | None = None
    """Of a run that only wrote prompts: where they are and where the answers go, and the command that judges those."""
    interrupted: bool = False
    unreached: tuple[str, ...] = ()
    """The ids of collected items without an outcome."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One skill, student and arm. Averages cover the items that passed or failed, and are None if there are none.

    ``cost_usd`` is None if a reply that used tokens has no price.
    """

    skill: str
    student: str
    arm: str
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors: int = 0
    stopped: int = 0
    assertions_passed: float | None = None
    assertions_total: float | None = None
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None
    seconds: float = 0.0
    first_failed: Mapping[str, int] = field(default_factory=dict)
    """How many failed items failed first at each assertion."""
    passed_by_turn: tuple[int, ...] = ()
    """How many had passed after one turn, after two, ...; empty if there was one turn only."""

    @property
    def pass_at_turn(self) -> tuple[float, ...]:
        """The share of the decided that had passed by each turn."""
        return tuple(passed / self.total for passed in self.passed_by_turn) if self.total else ()

    @property
    def total(self) -> int:
        """The number of items that passed or failed."""
        return self.passed + self.failed

    @property
    def pass_rate(self) -> float | None:
        return self.passed / self.total if self.total else None

    @property
    def undecided(self) -> str:
        """The items that count neither as passed nor as failed, in words; empty without any."""
        errors = f"infrastructure error{'s' if self.errors > 1 else ''}"
        counts = {"inconclusive": self.inconclusive, errors: self.errors, "stopped by the budget": self.stopped}
        return ", ".join(f"{number} {what}" for what, number in counts.items() if number)

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95% interval of the pass rate."""
        return statistics.wilson(self.passed, self.total)


@dataclass(frozen=True, slots=True)
class LiftRow:
    """Pass rate of ``arm`` minus that of ``against``, paired by case. ``verdict`` is reserved."""

    skill: str
    student: str
    arm: str
    against: str
    pairs: int
    lift: float | None
    interval: Interval | None
    p: float | None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class StudentView:
    """A student's rows under one skill: the arms in the order skill, baseline, others."""

    name: str
    arms: tuple[SummaryRow, ...]
    lifts: tuple[LiftRow, ...]

    def arm(self, name: str) -> SummaryRow | None:
        return next((row for row in self.arms if row.arm == name), None)

    def lift(self, against: str) -> LiftRow | None:
        return next((row for row in self.lifts if row.against == against), None)

    @property
    def controls(self) -> tuple[SummaryRow, ...]:
        """The arms that are neither ``skill`` nor ``baseline``."""
        return tuple(row for row in self.arms if row.arm not in (SKILL_ARM, BASELINE_ARM))


@dataclass(frozen=True, slots=True)
class SkillView:
    """One skill: its items, and its students' rows."""

    name: str
    items: tuple[Outcome, ...]
    students: tuple[StudentView, ...]

    def of_kind(self, *kinds: ItemKind) -> tuple[Outcome, ...]:
        return tuple(item for item in self.items if item.kind in kinds)

    @property
    def judged(self) -> tuple[Outcome, ...]:
        """The items that have a student."""
        return tuple(item for item in self.items if _has_student(item))

    @property
    def cases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.case for item in self.judged if item.case is not None))


@dataclass(frozen=True, slots=True)
class View:
    """A finished run. Items are sorted, so that reports do not depend on the order of execution."""

    run: RunInfo
    items: tuple[Outcome, ...]
    summary: tuple[SummaryRow, ...]
    lift: tuple[LiftRow, ...]
    skills: tuple[SkillView, ...]

    @property
    def gap(self) -> str:
        """What was collected and not judged, counted; empty if nothing is missing."""
        said = []
        if self.run.self_check:
            decided = [item for item in self.items if item.verdict.kind in _DECIDED]
            checked = {_case_id(item.id) for item in decided if item.kind is not ItemKind.BROKEN_CASE}
            cases = {_case_id(name) for name in (*(item.id for item in self.items), *self.run.unreached)}
            specs = {name for name in cases if name.endswith("::spec")}
            said = _share(len(cases - specs - checked), len(cases - specs), ("case", "cases"), "checked")
        elif left := [name for name in self.run.unreached if name.endswith("]")]:
            said = _share(len(left), len(left) + sum(map(_has_student, self.items)), ("reply", "replies"), "judged")
        return ": ".join([*(["interrupted"] if self.run.interrupted else []), *said])


def build_view(outcomes: Sequence[Outcome], run: RunInfo) -> View:
    """The view of a run. An id that occurs twice (a rerun) counts with its last outcome."""
    items = tuple(sorted({outcome.id: outcome for outcome in outcomes}.values(), key=_order))
    skills = tuple(_skill(name, group) for name, group in _grouped(items, lambda item: item.skill))
    students = [student for skill in skills for student in skill.students]
    return View(
        run=run,
        items=items,
        summary=tuple(row for student in students for row in student.arms),
        lift=tuple(row for student in students for row in student.lifts),
        skills=skills,
    )


def _order(item: Outcome) -> tuple[Any, ...]:
    names = (item.case or "", item.student or "", _arm_order(item.arm), item.trial or 0, item.id)
    return (item.skill, item.kind is not ItemKind.SPEC, *names)


def _arm_order(arm: str | None) -> tuple[int, str]:
    return ({SKILL_ARM: 0, BASELINE_ARM: 1}.get(arm or "", 2), arm or "")


def _grouped(items: Iterable[Outcome], key: Any) -> list[tuple[Any, tuple[Outcome, ...]]]:
    groups: dict[Any, list[Outcome]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [(name, tuple(group)) for name, group in groups.items()]


def _case_id(item_id: str) -> str:
    path, _, name = item_id.rpartition("::")
    return f"{path}::{name.partition('[')[0]}"


def _share(part: int, whole: int, noun: tuple[str, str], done: str) -> list[str]:
    return [f"{part} of {whole} {noun[whole > 1]} {'was' if part == 1 else 'were'} not {done}"] if part else []


def _has_student(item: Outcome) -> bool:
    return item.kind in (ItemKind.KERNEL, ItemKind.TEXT) and item.student is not None


def _skill(name: str, items: tuple[Outcome, ...]) -> SkillView:
    judged = filter(_has_student, items)
    students = tuple(_student(name, group) for _, group in sorted(_grouped(judged, lambda item: item.student)))
    return SkillView(name, items, students)


def _student(skill: str, items: tuple[Outcome, ...]) -> StudentView:
    name = items[0].student or ""
    arms = dict(sorted(_grouped(items, lambda item: item.arm or ""), key=lambda pair: _arm_order(pair[0])))
    rows = tuple(_summary(skill, name, arm, group) for arm, group in arms.items())
    return StudentView(name, rows, tuple(_lifts(skill, name, arms)))


def _summary(skill: str, student: str, arm: str, items: Sequence[Outcome]) -> SummaryRow:
    kinds = [item.verdict.kind for item in items]
    decided = [item.verdict.assertions for item in items if item.verdict.kind in _DECIDED]
    return SummaryRow(
        skill=skill,
        student=student,
        arm=arm,
        passed=kinds.count(VerdictKind.PASSED),
        failed=kinds.count(VerdictKind.FAILED),
        inconclusive=kinds.count(VerdictKind.INCONCLUSIVE),
        errors=kinds.count(VerdictKind.INFRASTRUCTURE_ERROR),
        stopped=kinds.count(VerdictKind.BUDGET_STOPPED),
        assertions_passed=_mean([sum(one.passed for one in assertions) for assertions in decided]),
        assertions_total=_mean([len(assertions) for assertions in decided]),
        tokens=sum((item.tokens for item in items), Tokens()),
        cost_usd=_cost(items),
        seconds=sum(item.seconds.total for item in items),
        first_failed=_first_failed(items),
        passed_by_turn=_passed_by_turn(items),
    )


def _mean(counts: Sequence[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None


def _cost(items: Sequence[Outcome]) -> float | None:
    if any(item.cost_usd is None and (item.tokens.input or item.tokens.output) for item in items):
        return None
    known = [item.cost_usd for item in items if item.cost_usd is not None]
    return sum(known) if known else None


def _passed_by_turn(items: Sequence[Outcome]) -> tuple[int, ...]:
    """The number of items that had passed after one turn, after two, ...: an item that passes ends with that turn."""
    longest = max((len(item.turns) for item in items), default=0)
    passed = [len(item.turns) for item in items if item.turns and item.verdict.kind is VerdictKind.PASSED]
    return tuple(sum(turn <= upto for turn in passed) for upto in range(1, longest + 1))


def _first_failed(items: Sequence[Outcome]) -> dict[str, int]:
    failed = (item.verdict.headline for item in items if item.verdict.kind is VerdictKind.FAILED)
    return dict(Counter(first.name for first in failed if first is not None))


def _lifts(skill: str, student: str, arms: Mapping[str, Sequence[Outcome]]) -> Iterable[LiftRow]:
    if SKILL_ARM not in arms:
        return
    treated = _trials(arms[SKILL_ARM])
    for arm, items in arms.items():
        if arm != SKILL_ARM:
            found = statistics.paired_difference(treated, _trials(items))
            yield LiftRow(skill, student, SKILL_ARM, arm, found.pairs, found.mean, found.interval, found.p)


def _trials(items: Sequence[Outcome]) -> dict[str, list[bool]]:
    trials: dict[str, list[bool]] = {}
    for item in items:
        if item.verdict.kind in _DECIDED:
            trials.setdefault(item.case or "", []).append(item.verdict.kind is VerdictKind.PASSED)
    return trials
