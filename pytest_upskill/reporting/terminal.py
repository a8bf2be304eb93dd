"""The summary at the end of a run, as lines; only the plugin prints. Knows the view and the terminal's abilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_upskill.records import ItemKind, VerdictKind
from pytest_upskill.reporting.comparison import comparison_lines
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.ink import Ink, pad, plural
from pytest_upskill.reporting.self_check import self_check_lines
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
            yield from self_check_lines(skill, ink, _problems)
    else:
        yield from comparison_lines(view, ink, _problems)
    yield from _footer(view, ink)


def _rule(title: str, ink: Ink) -> str:
    left = (ink.width - len(title)) // 2
    return ink.paint("=" * left + title + "=" * (ink.width - len(title) - left), "bold")


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
