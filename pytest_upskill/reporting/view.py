"""The view model of a finished run, from which every report is made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_upskill.history.comparison import Comparison
from pytest_upskill.history.selection import LAST
from pytest_upskill.history.store import AARun
from pytest_upskill.records import ItemKind, Outcome, RunInfo, Tokens, VerdictKind
from pytest_upskill.records.gating import Gates
from pytest_upskill.reporting.gates import Comparisons, GateRow, gate_rows
from pytest_upskill.reporting.lift import DECIDED, LiftRow, flags_of, lift_row, trials_of, with_verdicts
from pytest_upskill.reporting.noise import NoiseFloor, noise_floor, stored_floor
from pytest_upskill.reporting.rubric import JudgeRow, judge_rows
from pytest_upskill.reporting.triggers import TriggerRow, trigger_rows
from pytest_upskill.skills.arms import REPEAT
from pytest_upskill.statistics import repeated_trials
from pytest_upskill.statistics.flags import Flag
from pytest_upskill.statistics.intervals import Interval, Trials, pass_rate

NO_COMPARISONS: Comparisons = {}
SKILL_ARM = "skill"
BASELINE_ARM = "baseline"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One skill, student and arm. Averages are over the items that passed or failed, and None if there are no such
    items.

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
    """By assertion, how many of the failed items failed first at it."""
    passed_by_turn: tuple[int, ...] = ()
    """How many items had passed after one turn, after two turns, and so on; empty if there was only one turn."""
    unneeded: int = 0
    """How many items were not asked, because the gates were already decided."""
    reused: int = 0
    """How many items were judged only on replies of earlier sessions."""
    unanswered: int = 0
    """How many trials after the first have no reply, for a student that answers from files."""
    trials: Trials = field(default_factory=dict)
    """By case, whether each decided trial passed."""

    @property
    def pass_at_turn(self) -> tuple[float, ...]:
        """Return the share of the decided items that had passed after each turn."""
        return tuple(passed / self.total for passed in self.passed_by_turn) if self.total else ()

    @property
    def total(self) -> int:
        """Return the number of items that passed or failed."""
        return self.passed + self.failed

    @property
    def pass_rate(self) -> float | None:
        """Return the mean of the cases' pass rates. Each case has the same weight, however many trials it has."""
        return pass_rate(self.trials).mean

    @property
    def undecided(self) -> str:
        """Return, in words, the items that count neither as passed nor as failed; empty if there are none."""
        errors = f"infrastructure error{'s' if self.errors > 1 else ''}"
        counts = {"inconclusive": self.inconclusive, errors: self.errors}
        counts |= {"stopped by the budget": self.stopped, "not answered": self.unanswered}
        counts["not needed"] = self.unneeded
        return ", ".join(f"{number} {what}" for what, number in counts.items() if number)

    @property
    def interval(self) -> Interval | None:
        """Return the pass rate's 95% interval, clustered by case."""
        return pass_rate(self.trials).interval()

    @property
    def repeated(self) -> int:
        """Return the largest number of trials that every case has; 0 if there is no case."""
        return min((len(case) for case in self.trials.values()), default=0)

    @property
    def pass_at_k(self) -> dict[int, float]:
        """Return pass@k by k: the probability that at least one of k trials passes."""
        found = {k: repeated_trials.pass_at_k(self.trials, k) for k in range(1, self.repeated + 1)}
        return {k: value for k, value in found.items() if value is not None}

    @property
    def pass_all_k(self) -> dict[int, float]:
        """Return pass^k by k: the probability that all of k trials pass."""
        found = {k: repeated_trials.pass_all_k(self.trials, k) for k in range(1, self.repeated + 1)}
        return {k: value for k, value in found.items() if value is not None}

    @property
    def flip_rate(self) -> float | None:
        """Return the probability that two trials of a case differ; None if no case has two trials."""
        return repeated_trials.flip_rate(self.trials).mean


@dataclass(frozen=True, slots=True)
class StudentView:
    """A student's rows under one skill: the arms in the order skill, baseline, others."""

    name: str
    arms: tuple[SummaryRow, ...]
    lifts: tuple[LiftRow, ...]
    flags: Mapping[Flag, tuple[str, ...]] = field(default_factory=dict)
    """By flag, the cases that have the flag."""
    noise: NoiseFloor | None = None
    """The noise floor of this run if it is an A/A run, else of the last A/A run; None if there is none."""

    def arm(self, name: str) -> SummaryRow | None:
        return next((row for row in self.arms if row.arm == name), None)

    def lift(self, against: str) -> LiftRow | None:
        return next((row for row in self.lifts if row.against == against), None)

    @property
    def controls(self) -> tuple[SummaryRow, ...]:
        """Return the arms that are neither ``skill`` nor ``baseline``."""
        return tuple(row for row in self.arms if row.arm not in (SKILL_ARM, BASELINE_ARM))


@dataclass(frozen=True, slots=True)
class SkillView:
    """One skill: its items, and its students' rows."""

    name: str
    items: tuple[Outcome, ...]
    students: tuple[StudentView, ...]
    triggers: tuple[TriggerRow, ...] = ()
    """How well each student chooses the skill."""

    def of_kind(self, *kinds: ItemKind) -> tuple[Outcome, ...]:
        return tuple(item for item in self.items if item.kind in kinds)

    @property
    def judged(self) -> tuple[Outcome, ...]:
        """Return the items that have a student."""
        return tuple(item for item in self.items if has_student(item))

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
    gates: tuple[GateRow, ...] = ()
    since: Comparison | None = None
    """What changed since the last run; None if no such run is known."""
    judges: tuple[JudgeRow, ...] = ()
    """The judges of rubrics."""

    @property
    def gap(self) -> str:
        """Return how many collected cases or replies were not checked or judged, in words; empty if nothing is
        missing.
        """
        said = []
        if self.run.self_check:
            decided = [item for item in self.items if item.verdict.kind in DECIDED]
            checked = {_case_id(item.id) for item in decided if item.kind is not ItemKind.BROKEN_CASE}
            cases = {_case_id(name) for name in (*(item.id for item in self.items), *self.run.unreached)}
            specs = {name for name in cases if name.endswith("::spec")}
            said = _share(len(cases - specs - checked), len(cases - specs), ("case", "cases"), "checked")
        elif left := [name for name in self.run.unreached if name.endswith("]")]:
            asked = sum(has_student(item) or item.kind is ItemKind.TRIGGER for item in self.items)
            said = _share(len(left), len(left) + asked, ("reply", "replies"), "judged")
        return ": ".join([*(["interrupted"] if self.run.interrupted else []), *said])


def build_view(
    outcomes: Sequence[Outcome],
    run: RunInfo,
    gates: Gates | None = None,
    comparisons: Comparisons = NO_COMPARISONS,
    aa_runs: Sequence[AARun] = (),
) -> View:
    """Return the view of a run. If an id occurs twice, because the item was run again, its last outcome counts.

    ``gates`` replace the gates of the run, if given. ``comparisons`` has the comparisons with the last run and with the
    runs that gates name. ``aa_runs`` has the last A/A run of each skill and student.
    """
    items = tuple(sorted({outcome.id: outcome for outcome in outcomes}.values(), key=_order))
    floors = {(one.skill, one.student): stored_floor(one) for one in aa_runs
              if one.sampler == run.students.get(one.student, {})}  # fmt: skip
    skills = _judged(tuple(_skill(name, group) for name, group in _grouped(items, lambda item: item.skill)))
    skills = tuple(_with_noise(skill, run, floors) for skill in skills)
    students = [student for skill in skills for student in skill.students]
    return View(
        run=run,
        items=items,
        summary=tuple(row for student in students for row in student.arms),
        lift=tuple(row for student in students for row in student.lifts),
        skills=skills,
        gates=gate_rows(
            run.gates if gates is None else gates, [(skill.name, skill.judged) for skill in skills], comparisons
        ),
        since=since if isinstance(since := comparisons.get(LAST), Comparison) else None,
        judges=judge_rows(items),
    )


def _with_noise(skill: SkillView, run: RunInfo, floors: Mapping[tuple[str, str], NoiseFloor]) -> SkillView:
    students = []
    for student in skill.students:
        floor = floors.get((skill.name, student.name))
        one, other = student.arm(SKILL_ARM), student.arm(REPEAT)
        if one and other:
            floor = noise_floor(skill.name, student.name, None, run.started, (one.trials, other.trials))
        students.append(replace(student, noise=floor))
    return replace(skill, students=tuple(students))


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


def has_student(item: Outcome) -> bool:
    """Return whether the item is the reply of a student or a case's own solution, and not another check."""
    return item.kind in (ItemKind.KERNEL, ItemKind.TEXT) and item.student is not None


def _skill(name: str, items: tuple[Outcome, ...]) -> SkillView:
    judged = filter(has_student, items)
    students = tuple(_student(name, group) for _, group in sorted(_grouped(judged, lambda item: item.student)))
    return SkillView(name, items, students, trigger_rows(items))


def _student(skill: str, items: tuple[Outcome, ...]) -> StudentView:
    name = items[0].student or ""
    arms = dict(sorted(_grouped(items, lambda item: item.arm or ""), key=lambda pair: _arm_order(pair[0])))
    rows = tuple(_summary(skill, name, arm, group) for arm, group in arms.items())
    trials = {row.arm: row.trials for row in rows}
    flags = flags_of(trials.get(SKILL_ARM, {}), trials.get(BASELINE_ARM, {}))
    return StudentView(name, rows, tuple(_lifts(skill, name, arms, flags)), flags)


def _summary(skill: str, student: str, arm: str, items: Sequence[Outcome]) -> SummaryRow:
    kinds = [item.verdict.kind for item in items]
    decided = [item.verdict.assertions for item in items if item.verdict.kind in DECIDED]
    return SummaryRow(
        skill=skill,
        student=student,
        arm=arm,
        passed=kinds.count(VerdictKind.PASSED),
        failed=kinds.count(VerdictKind.FAILED),
        inconclusive=kinds.count(VerdictKind.INCONCLUSIVE),
        errors=kinds.count(VerdictKind.INFRASTRUCTURE_ERROR),
        stopped=kinds.count(VerdictKind.BUDGET_STOPPED),
        unanswered=kinds.count(VerdictKind.NOT_ANSWERED),
        unneeded=kinds.count(VerdictKind.NOT_NEEDED),
        reused=sum(is_reused(item) for item in items),
        assertions_passed=_mean([sum(one.passed for one in assertions) for assertions in decided]),
        assertions_total=_mean([len(assertions) for assertions in decided]),
        tokens=sum((item.tokens for item in items), Tokens()),
        cost_usd=_cost(items),
        seconds=sum(item.seconds.total for item in items),
        first_failed=_first_failed(items),
        passed_by_turn=_passed_by_turn(items),
        trials=trials_of(items),
    )


def is_reused(item: Outcome) -> bool:
    """Return whether none of the item's replies is from this session."""
    return item.reused > 0 and item.reused >= len(item.turns)


def _mean(counts: Sequence[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None


def _cost(items: Sequence[Outcome]) -> float | None:
    if any(item.cost_usd is None and (item.tokens.input or item.tokens.output) for item in items):
        return None
    known = [item.cost_usd for item in items if item.cost_usd is not None]
    return sum(known) if known else None


def _passed_by_turn(items: Sequence[Outcome]) -> tuple[int, ...]:
    """Return how many items had passed after one turn, after two, and so on. An item ends with the turn in which it
    passes.
    """
    longest = max((len(item.turns) for item in items), default=0)
    passed = [len(item.turns) for item in items if item.turns and item.verdict.kind is VerdictKind.PASSED]
    return tuple(sum(turn <= upto for turn in passed) for upto in range(1, longest + 1))


def _first_failed(items: Sequence[Outcome]) -> dict[str, int]:
    failed = (item.verdict.headline for item in items if item.verdict.kind is VerdictKind.FAILED)
    return dict(Counter(first.name for first in failed if first is not None))


def _lifts(
    skill: str, student: str, arms: Mapping[str, Sequence[Outcome]], flags: Mapping[Flag, tuple[str, ...]]
) -> Iterable[LiftRow]:
    for arm, items in arms.items() if SKILL_ARM in arms else ():
        if arm != SKILL_ARM:
            row = lift_row((skill, student, SKILL_ARM, arm), arms[SKILL_ARM], items)
            yield replace(row, flags=flags) if arm == BASELINE_ARM else row


def _judged(skills: tuple[SkillView, ...]) -> tuple[SkillView, ...]:
    """Return the skills with the verdicts on their lifts. The verdicts allow for the number of lifts in all skills."""
    rows: list[LiftRow] = []
    trials: list[tuple[Trials, Trials]] = []
    for student in (student for skill in skills for student in skill.students):
        arms = {row.arm: row.trials for row in student.arms}
        rows += student.lifts
        trials += [(arms[row.arm], arms[row.against]) for row in student.lifts]
    judged = iter(with_verdicts(rows, trials))
    return tuple(
        replace(skill, students=tuple(replace(student, lifts=tuple(next(judged) for _ in student.lifts))
                                      for student in skill.students))
        for skill in skills
    )  # fmt: skip
