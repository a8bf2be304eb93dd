"""The header and the summary of a run, as lines; the hooks print them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_upskill.records import ItemKind, VerdictKind
from pytest_upskill.reporting.comparison import comparison_lines
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.self_check import self_check_lines
from pytest_upskill.reporting.text_style import TextStyle, pad, plural, printable
from pytest_upskill.reporting.view import SkillView, View

__all__ = ["failure_lines", "header_lines", "summary_lines"]

CPU_CAVEAT = (
    "judged on the cpu device: the same programs, executed by this machine; not a proof of the tolerance on a GPU"
)
_LABEL = 9
_NOTES = 6


def header_lines(facts: Mapping[str, str]) -> Iterator[str]:
    """The header of a run, one line for each fact: ``upskill device: ...``."""
    for name, text in facts.items():
        yield printable(f"upskill {name}: {text}")


def summary_lines(view: View, width: int, color: bool, unicode: bool = True) -> Iterator[str]:
    """The summary of a run, no line wider than ``width`` columns (at least 60)."""
    text_style = TextStyle(max(width, 60), color, unicode)
    yield _rule(" skills ", text_style)
    if not view.run.device:
        asked = sum(len(skill.judged) for skill in view.skills)
        yield f"{plural(asked, 'prompt')} written; no student was queried"
        return
    if view.run.self_check:
        for skill in view.skills:
            yield from self_check_lines(skill, text_style, _problems)
    else:
        yield from comparison_lines(view, text_style, _problems)
    yield from _footer(view, text_style)


def _rule(title: str, text_style: TextStyle) -> str:
    left = (text_style.width - len(title)) // 2
    return text_style.paint("=" * left + title + "=" * (text_style.width - len(title) - left), "bold")


# --------------------------------------------------------------------------------------------- every run


def _problems(skill: SkillView, text_style: TextStyle) -> Iterator[str]:
    """What is wrong with the skill itself."""
    for item in skill.items:
        if item.kind in (ItemKind.SPEC, ItemKind.BROKEN_CASE) and item.verdict.kind is not VerdictKind.PASSED:
            what = "SKILL.md" if item.kind is ItemKind.SPEC else f"broken case {item.case or ''}"
            reason = item.verdict.reason or item.verdict.kind.value
            for number, line in enumerate(text_style.wrap(f"{what}: {reason}", text_style.width - 4, 2)):
                mark = text_style.sign("cross") if number == 0 else " "
                yield f"  {text_style.paint(mark, 'red')} {text_style.paint(line, 'red')}"


def _footer(view: View, text_style: TextStyle) -> Iterator[str]:
    run = view.run
    yield from _notes(view, text_style)
    if run.device == "cpu":
        yield from _fact("device", CPU_CAVEAT, text_style)
    else:
        yield from _fact("device", f"judged on the {run.device} device", text_style)
    if run.sandbox:
        yield from _fact("sandbox", run.sandbox, text_style)
    yield from _fact("seed", f"{run.seed}; --upskill-seed={run.seed} repeats this run's examples exactly", text_style)
    if run.replies:
        yield from _fact("replies", f"kept in {run.replies}" + (f"; {run.source}" if run.source else ""), text_style)
    if run.spent:
        yield from _fact("spent", run.spent, text_style)


def _notes(view: View, text_style: TextStyle) -> Iterator[str]:
    marked: dict[str, dict[str, None]] = {}
    for item in view.items:
        for note in item.notes:
            marked.setdefault(note, {})[item.case or item.skill] = None
    shown = list(marked.items())[:_NOTES]
    for note, cases in shown:
        yield from _fact("note", f"{note}: {_some(list(cases))}", text_style)
    if len(marked) > len(shown):
        yield from _fact("note", f"and {plural(len(marked) - len(shown), 'other note')}, in the reports", text_style)
    for note in view.run.notes:
        yield from _fact("note", note, text_style)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _fact(label: str, text: str, text_style: TextStyle) -> Iterator[str]:
    for number, line in enumerate(text_style.wrap(text, text_style.width - _LABEL, 3)):
        yield text_style.paint(pad("" if number else label, _LABEL), "dim") + line
