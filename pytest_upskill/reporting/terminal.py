"""The summary at the end of a run, as lines; only the plugin prints. Knows the view and the terminal's abilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.comparison import VALID, comparison_lines, has_valid_spec
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.ink import Ink, measure, pad, plural
from pytest_upskill.reporting.table import Cell, flow
from pytest_upskill.reporting.view import SkillView, View

__all__ = ["failure_lines", "header_lines", "summary_lines"]

CPU_CAVEAT = (
    "judged on the cpu device: the same CUDA C++, executed by this machine; not a proof of the tolerance on a GPU"
)
_LABEL = 9
_NOTES = 6


def header_lines(facts: Mapping[str, str]) -> Iterator[str]:
    """What the head of a run says, one line for each fact: ``upskill device: ...``."""
    for name, text in facts.items():
        yield f"upskill {name}: {text}"


def summary_lines(view: View, width: int, color: bool, unicode: bool = True) -> Iterator[str]:
    """The summary of a run, no line wider than ``width`` columns (at least 60)."""
    ink = Ink(max(width, 60), color, unicode)
    yield _rule(" skills ", ink)
    if not view.run.device:
        asked = sum(len(skill.judged) for skill in view.skills)
        yield f"{plural(asked, 'prompt')} written; nobody was asked, nothing was judged"
        return
    if view.run.self_check:
        for skill in view.skills:
            yield from _self_check(skill, ink)
    else:
        yield from comparison_lines(view, ink, _problems)
    yield from _footer(view, ink)


def _rule(title: str, ink: Ink) -> str:
    left = (ink.width - len(title)) // 2
    return ink.paint("=" * left + title + "=" * (ink.width - len(title) - left), "bold")


# --------------------------------------------------------------------------------------------- the self-check


def _self_check(skill: SkillView, ink: Ink) -> Iterator[str]:
    judged = skill.judged
    passed = sum(item.verdict.kind is VerdictKind.PASSED for item in judged)
    name = ink.paint(ink.elide_middle(skill.name, ink.width - 46), "bold")
    good = "green" if passed == len(judged) else "red"
    verb = "passes its" if len(judged) == 1 else "pass their"
    claim = f"{passed} of {plural(len(judged), 'case')} {verb} own solution" if judged else "no case"
    fits = measure(skill.name) + len(claim) + len(VALID) + 4 <= ink.width
    valid = "  " + ink.paint(VALID, "dim") if fits and has_valid_spec(skill) else ""
    yield f"{name}  {ink.paint(claim, good, 'bold')}{valid}"
    yield from _problems(skill, ink)
    yield from flow([_assertion(one, counts, ink) for one, counts in _by_assertion(judged)], ink, 2)
    yield from _lost(judged, ink)
    yield ""


def _by_assertion(items: Sequence[Outcome]) -> list[tuple[str, tuple[int, int]]]:
    """How many items passed each assertion, of how many that have it; correct[...] stays together."""
    counts: dict[str, tuple[int, int]] = {}
    for item in items:
        for one in item.verdict.assertions:
            passed, total = counts.get(one.name, (0, 0))
            counts[one.name] = (passed + one.passed, total + 1)
    names = list(counts)
    correct = [name for name in names if name.startswith("correct[")]
    if correct:
        at = names.index(correct[0])
        rest = [name for name in names if name not in correct]
        names = [*rest[:at], *correct, *rest[at:]]
    return [(name, counts[name]) for name in names]


def _assertion(name: str, counts: tuple[int, int], ink: Ink) -> Cell:
    passed, total = counts
    good = passed == total
    sign, style = ("tick", "green") if good else ("cross", "red")
    tail = f"{passed}/{total}"
    body = f" {pad(ink.elide(name, 20), 18)} {pad(tail, 5, '>')}"
    return Cell.of((ink.sign(sign), (style,)), (body, () if good else ("red",)))


def _lost(items: Sequence[Outcome], ink: Ink) -> Iterator[str]:
    for item in items:
        kind = item.verdict.kind
        if kind is VerdictKind.PASSED:
            continue
        first = item.verdict.first_failed
        why = first.name if first and kind is VerdictKind.FAILED else item.verdict.reason or ""
        word = kind.value.replace("-", " ")
        color = "red" if kind is VerdictKind.FAILED else "yellow"
        yield "  " + ink.paint(ink.elide(f"{ink.sign('cross')} {item.case} {word}: {why}", ink.width - 2), color)


# --------------------------------------------------------------------------------------------- what every run says


def _problems(skill: SkillView, ink: Ink) -> Iterator[str]:
    """What is wrong with the skill itself."""
    for item in skill.items:
        if item.kind in (ItemKind.SPEC, ItemKind.BROKEN_CASE) and item.verdict.kind is not VerdictKind.PASSED:
            what = "SKILL.md" if item.kind is ItemKind.SPEC else f"broken case {item.case or ''}"
            reason = item.verdict.reason or item.verdict.kind.value
            for number, line in enumerate(ink.wrap(f"{what}: {reason}", ink.width - 4, 2)):
                yield f"  {ink.paint(ink.sign('cross') if number == 0 else ' ', 'red')} {ink.paint(line, 'red')}"


def _footer(view: View, ink: Ink) -> Iterator[str]:
    run = view.run
    yield from _notes(view, ink)
    if run.device == "cpu":
        yield from _fact("device", CPU_CAVEAT, ink)
    else:
        yield from _fact("device", f"judged on the {run.device} device", ink)
    if run.cell:
        yield from _fact("cells", run.cell, ink)
    yield from _fact("seed", f"{run.seed}; --upskill-seed={run.seed} repeats this run's examples exactly", ink)
    if run.replies:
        yield from _fact("replies", f"kept in {run.replies}" + (f"; {run.source}" if run.source else ""), ink)
    if run.spent:
        yield from _fact("spent", run.spent, ink)


def _notes(view: View, ink: Ink) -> Iterator[str]:
    marked: dict[str, dict[str, None]] = {}
    for item in view.items:
        for note in item.notes:
            marked.setdefault(note, {})[item.case or item.skill] = None
    shown = list(marked.items())[:_NOTES]
    for note, cases in shown:
        yield from _fact("note", f"{note}: {_some(list(cases))}", ink)
    if len(marked) > len(shown):
        yield from _fact("note", f"and {plural(len(marked) - len(shown), 'other note')}, in the reports", ink)
    for note in view.run.notes:
        yield from _fact("note", note, ink)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _fact(label: str, text: str, ink: Ink) -> Iterator[str]:
    for number, line in enumerate(ink.wrap(text, ink.width - _LABEL, 3)):
        yield ink.paint(pad("" if number else label, _LABEL), "dim") + line
