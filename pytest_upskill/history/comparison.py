"""Compares two runs: which items changed, by how much the pass rates differ, and what else differs between the runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from pytest_upskill.history.store import StoredRun
from pytest_upskill.records import ItemKind, Outcome, RunInfo, VerdictKind
from pytest_upskill.statistics.intervals import Difference, paired_difference
from pytest_upskill.statistics.significance import holm

_ASKED = (ItemKind.KERNEL, ItemKind.TEXT)
_SHORT = 12
"""How many letters of a commit are shown."""


class ChangeKind(StrEnum):
    """How the items of a case differ between two runs, for one student in one arm."""

    FIXED = "fixed"
    """Some trials that failed now pass, and no trial that passed now fails."""
    REGRESSED = "regressed"
    FLIPPED = "flipped"
    """Some trials that failed now pass, and other trials that passed now fail."""
    UNDECIDED = "no longer decided"
    DECIDED = "now decided"
    ADDED = "added"
    REMOVED = "removed"
    UNREACHED = "not reached"
    """The later run ended before it reached these items."""


class Key(NamedTuple):
    """A case for one student in one arm, or another check of a skill. Fields that an item does not have are empty
    texts.
    """

    skill: str
    case: str
    student: str
    arm: str
    kind: str


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one key. ``before`` and ``after`` are the verdicts by trial.

    ``same_reply`` is true if the verdicts changed although all replies are the same.
    """

    kind: ChangeKind
    key: Key
    before: Mapping[int, VerdictKind]
    after: Mapping[int, VerdictKind]
    same_reply: bool = False


@dataclass(frozen=True, slots=True)
class RateChange:
    """The pass rates of a skill, a student and an arm in two runs, and their difference by case.

    ``before`` and ``after`` are pairs: the numbers of passed and of decided items in the earlier and in the later run,
    of the cases that both runs have. ``p`` is corrected for the number of rows of this kind.
    """

    skill: str
    student: str
    arm: str
    before: tuple[int, int]
    after: tuple[int, int]
    difference: Difference
    p: float | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """Something that differs between the runs besides their results: its name, and both values in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run ``before`` compared with ``after``. ``same`` counts the keys without a change."""

    before: StoredRun
    after: StoredRun
    changes: tuple[Change, ...]
    rates: tuple[RateChange, ...]
    contrasts: tuple[Contrast, ...]
    same: int

    def of_kind(self, kind: ChangeKind) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind is kind)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items to look at. A field that is None excludes nothing. ``text`` is a part of an item's id."""

    skill: str | None = None
    student: str | None = None
    arm: str | None = None
    text: str | None = None

    def matches(self, item: Outcome) -> bool:
        pairs = ((self.skill, item.skill), (self.student, item.student), (self.arm, item.arm))
        return all(wanted in (None, found) for wanted, found in pairs) and (self.text or "") in item.id


Trials = dict[int, Outcome]


def compare(before: StoredRun, after: StoredRun, chosen: Filter | None = None) -> Comparison:
    """Compare two runs. If each run has exactly one student, their items are paired even if the students differ."""
    chosen = chosen or Filter()
    old, new = ([item for item in run.items if chosen.matches(item)] for run in (before, after))
    renamed = _renamed(old, new)
    old_rows, new_rows = _rows(old, renamed), _rows(new, {})
    changes = []
    for key in dict.fromkeys((*new_rows, *old_rows)):
        kind, same_reply = _change(old_rows.get(key, {}), new_rows.get(key, {}), after.info.unreached)
        if kind is not None:
            sides = (_verdicts(old_rows.get(key, {})), _verdicts(new_rows.get(key, {})))
            changes.append(Change(kind, key, *sides, same_reply=same_reply))
    contrasts = (*_of_runs(before.info, after.info, renamed), *_of_items(old_rows, new_rows))
    same = len({*old_rows, *new_rows}) - len(changes)
    return Comparison(before, after, tuple(changes), tuple(_rates(old_rows, new_rows)), contrasts, same)


def _verdicts(trials: Trials) -> dict[int, VerdictKind]:
    return {trial: item.verdict.kind for trial, item in trials.items()}


def _renamed(old: Iterable[Outcome], new: Iterable[Outcome]) -> dict[str, str]:
    """Return the earlier run's student and the later run's student, if each run has exactly one and they differ."""
    first, second = ({item.student for item in items if item.kind in _ASKED and item.student} for items in (old, new))
    return dict(zip(first, second, strict=True)) if len(first) == len(second) == 1 and first != second else {}


def _rows(items: Iterable[Outcome], renamed: Mapping[str, str]) -> dict[Key, Trials]:
    rows: dict[Key, Trials] = {}
    for item in items:
        student = item.student or ""
        key = Key(item.skill, item.case or "", renamed.get(student, student), item.arm or "", item.kind.value)
        rows.setdefault(key, {})[item.trial or 1] = item
    return rows


def _change(old: Trials, new: Trials, unreached: Sequence[str]) -> tuple[ChangeKind | None, bool]:
    if not old or not new:
        stopped = not new and any(item.id in unreached for item in old.values())
        kind = ChangeKind.UNREACHED if stopped else ChangeKind.REMOVED
        return (kind if old else ChangeKind.ADDED), False
    pairs = [(old[trial], new[trial]) for trial in old if trial in new]
    passed = VerdictKind.PASSED
    moved = [(one, two) for one, two in pairs if _decided(one) and _decided(two) and _verdicts_differ(one, two)]
    gained = any(two.verdict.kind is passed for _, two in moved)
    lost = any(one.verdict.kind is passed for one, _ in moved)
    same = bool(moved) and all(one.reply_digest == two.reply_digest != "" for one, two in moved)
    if gained or lost:
        both = ChangeKind.FLIPPED if lost else ChangeKind.FIXED
        return (both if gained else ChangeKind.REGRESSED), same
    before, after = (sum(map(_decided, trials.values())) for trials in (old, new))
    if bool(before) != bool(after):
        return (ChangeKind.UNDECIDED if before else ChangeKind.DECIDED), False
    return None, False


def _decided(item: Outcome) -> bool:
    return item.verdict.kind in (VerdictKind.PASSED, VerdictKind.FAILED)


def _verdicts_differ(one: Outcome, two: Outcome) -> bool:
    return one.verdict.kind is not two.verdict.kind


def _rates(old: Mapping[Key, Trials], new: Mapping[Key, Trials]) -> Iterator[RateChange]:
    """Return the changes of the rows that both runs have, with p values corrected for the number of rows."""
    names = (Key(key.skill, "", key.student, key.arm, "") for key in new if key.kind in _ASKED)
    rows: list[RateChange] = []
    for name in dict.fromkeys(names):
        before, after = (_trials(rows_, name) for rows_ in (old, new))
        found = paired_difference(after, before)
        if found.pairs:
            counts = [_count({case: trials[case] for case in before if case in after}) for trials in (before, after)]
            rows.append(RateChange(name.skill, name.student, name.arm, counts[0], counts[1], found, found.p))
    corrected = holm([row.p for row in rows if row.p is not None])
    for row in rows:
        yield row if row.p is None else replace(row, p=corrected.pop(0))


def _trials(rows: Mapping[Key, Trials], name: Key) -> dict[str, list[bool]]:
    """Return, by case, whether each decided trial passed."""
    found: dict[str, list[bool]] = {}
    for key, trials in rows.items():
        if key.kind in _ASKED and (key.skill, key.student, key.arm) == (name.skill, name.student, name.arm):
            decided = [item.verdict.kind is VerdictKind.PASSED for item in trials.values() if _decided(item)]
            if decided:
                found[key.case] = decided
    return found


def _count(trials: Mapping[str, Sequence[bool]]) -> tuple[int, int]:
    return sum(map(sum, trials.values())), sum(map(len, trials.values()))


def _of_runs(before: RunInfo, after: RunInfo, renamed: Mapping[str, str]) -> Iterator[Contrast]:
    """Yield what differs between the runs as a whole. A fact that only one run recorded is left out."""
    yield from _differing({"device": before.device}, {"device": after.device}, "")
    yield from _differing({"noise": before.noise}, {"noise": after.noise}, "")
    yield from _differing(before.machine, after.machine, "machine: ")
    yield from _differing({"version": before.version}, {"version": after.version}, "pytest-upskill ")
    for name, other in renamed.items():
        yield Contrast("student", name, other)
    for name, student in before.students.items():
        other = renamed.get(name, name)
        yield from _differing(student, after.students.get(other, {}), f"student {other}: ")
    yield from _differing({"git": _commit(before)}, {"git": _commit(after)}, "")
    if before.interrupted != after.interrupted:
        yield Contrast("ended", *("early" if info.interrupted else "completely" for info in (before, after)))


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> Iterator[Contrast]:
    for name in old:
        if name in new and old[name] != new[name] and "" not in (old[name], new[name]):
            yield Contrast(f"{prefix}{name}", *map(_shown, (old[name], new[name])))


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _commit(info: RunInfo) -> str:
    return info.revision[:_SHORT] + (" with changes" if info.dirty else "") if info.revision else ""


def _of_items(old: Mapping[Key, Trials], new: Mapping[Key, Trials]) -> Iterator[Contrast]:
    """Yield the skills, cases and prompts that changed. A prompt is left out if a changed skill or case explains the
    change.
    """
    skills: dict[str, tuple[str, str]] = {}
    cases: dict[str, None] = {}
    prompts: dict[str, None] = {}
    for key in old:
        for one, two in zip(list(old[key].values())[:1], list(new.get(key, {}).values())[:1], strict=False):
            if _differs(one.skill_digest, two.skill_digest):
                skills[key.skill] = (one.skill_digest, two.skill_digest)
            if _differs(one.case_digest, two.case_digest):
                cases[key.case] = None
            elif _differs(one.prompt_digest, two.prompt_digest) and (key.arm == "baseline" or key.skill not in skills):
                prompts[key.case] = None
    for name, digests in skills.items():
        yield Contrast(f"skill {name}", *(digest[:_SHORT] for digest in digests))
    for what, names in (("cases", cases), ("prompts", prompts)):
        if names:
            yield Contrast(f"{what} that changed", "", ", ".join(names))


def _differs(one: str, two: str) -> bool:
    return bool(one and two) and one != two
