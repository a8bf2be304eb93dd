"""Compares two runs of the history, as lines for the terminal and as texts for reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_upskill.history.comparison import Change, ChangeKind, Comparison, RateChange
from pytest_upskill.history.store import StoredRun
from pytest_upskill.records import VerdictKind
from pytest_upskill.reporting.text_style import (
    Cell,
    Column,
    Table,
    TextStyle,
    arm_label,
    percent,
    plural,
    points,
    spread,
)

SHOWN = 20
"""The maximum number of items that are listed for each kind of change, unless all are wanted."""
_HEADINGS: Mapping[ChangeKind, tuple[str, str]] = {
    ChangeKind.REGRESSED: ("regressed", "red"),
    ChangeKind.FIXED: ("fixed", "green"),
    ChangeKind.FLIPPED: ("flipped (trials changed both ways)", "yellow"),
    ChangeKind.UNDECIDED: ("no longer decided", "yellow"),
    ChangeKind.DECIDED: ("now decided", ""),
    ChangeKind.ADDED: ("added", ""),
    ChangeKind.REMOVED: ("removed", ""),
    ChangeKind.UNREACHED: ("not reached", "yellow"),
}
_COLUMNS = (
    Column("skill", "skill"),
    Column("student", "student"),
    Column("arm", "arm"),
    Column("cases", "cases", ">"),
    Column("before", "before", ">"),
    Column("after", "after", ">"),
    Column("points", "points"),
    Column("p", "p"),
)


def comparison_lines(found: Comparison, text_style: TextStyle, everything: bool = False) -> Iterator[str]:
    """Yield the changes of the items, the pass rates, and what else differs.

    If ``everything`` is true, all changed items are listed, else at most SHOWN for each kind of change.
    """
    for label, run in (("before", found.before), ("after", found.after)):
        yield from text_style.lines(f"{label}  {run_title(run)}", 0, hang=8)
    for text in contrasts(found, text_style):
        yield from text_style.lines(text, 2, "yellow", hang=2)
    yield ""
    yield from text_style.lines(counts(found), 0, "bold")
    for group in groups(found, text_style, None if everything else SHOWN):
        yield ""
        yield text_style.paint(f"{group.heading}:", *filter(None, ("bold", group.color)))
        for text in group.changes:
            yield from text_style.lines(text, 2, hang=2)
        yield from [f"  and {group.more} more"] if group.more else []
    if found.rates:
        yield ""
        yield from _rates(found.rates, text_style)


class Group(NamedTuple):
    """The changes of one kind, each in words. ``more`` counts the changes that are left out."""

    heading: str
    color: str
    changes: tuple[str, ...]
    more: int


def groups(found: Comparison, text_style: TextStyle, most: int | None = SHOWN) -> Iterator[Group]:
    """Yield the items that changed, by kind of change, at most ``most`` of each kind."""
    for kind, (heading, color) in _HEADINGS.items():
        if changes := found.of_kind(kind):
            texts = tuple(_change(change, text_style) for change in changes[:most])
            yield Group(heading, color, texts, len(changes) - len(texts))


def contrasts(found: Comparison, text_style: TextStyle) -> Iterator[str]:
    """Yield, in words, each fact that differs between the runs besides their results."""
    for one in found.contrasts:
        sides = f"{one.before} {text_style.sign('arrow')} {one.after}" if one.before else one.after
        yield f"{one.name}: {sides}"


def counts(found: Comparison) -> str:
    """Return how many items changed in which way, such as ``1 regressed, 2 fixed, 8 unchanged``."""
    numbers = ((len(found.of_kind(kind)), kind.value) for kind in _HEADINGS)
    return ", ".join([*(f"{number} {what}" for number, what in numbers if number), f"{found.same} unchanged"])


def rate_texts(found: Comparison, text_style: TextStyle) -> Iterator[str]:
    """Yield how each pass rate changed, in words."""
    return (_sentence(row, text_style) for row in _rows(found.rates, text_style))


def run_title(run: StoredRun) -> str:
    """Return a title such as ``run 3 of 2026-11-30 04:10:00, 24 items``."""
    info = run.info
    ended = ", interrupted" if info.interrupted else ""
    origin = f", from {run.row.origin}" if run.row.origin else ""
    started = info.started.replace("T", " ").partition("+")[0]
    return f"run {run.number} of {started}, {plural(len(run.items), 'item')}{ended}{origin}"


def _change(change: Change, text_style: TextStyle) -> str:
    key = change.key
    names = [key.case or "SKILL.md", key.student, arm_label(key.arm) if key.arm else "", key.skill]
    if key.kind == "mutants":
        names[1] = "mutants"
    title = f" {text_style.sign('dot')} ".join(filter(None, names))
    arrow = f" {text_style.sign('arrow')} "
    same = "; the reply is the same" if change.same_reply else ""
    return f"{title}: {arrow.join(_verdicts(side) for side in (change.before, change.after) if side)}{same}"


def _verdicts(trials: Mapping[int, VerdictKind]) -> str:
    """Return the verdict if there is one trial, else a text such as ``2 of 5 passed``."""
    kinds = list(trials.values())
    if len(kinds) == 1:
        return kinds[0].value
    return f"{kinds.count(VerdictKind.PASSED)} of {len(kinds)} passed"


def _rates(rates: tuple[RateChange, ...], text_style: TextStyle) -> Iterator[str]:
    rows = [{name: Cell((text,)) for name, text in row.items()} for row in _rows(rates, text_style)]
    table = Table(_COLUMNS, rows)
    if table.width <= text_style.width:
        yield table.heading(text_style)
        yield from (table.line(one, text_style) for one in rows)
    else:
        for row in _rows(rates, text_style):
            yield from text_style.lines(_sentence(row, text_style), 1, hang=2)
    note = "points: difference of the pass rates, paired by case, with its 95% interval; p: exact sign-flip test"
    corrected = ", corrected for the number of rows (Holm)" if len(rates) > 1 else ""
    yield from text_style.lines(note + corrected, 1, "dim")


def _rows(rates: Sequence[RateChange], text_style: TextStyle) -> list[dict[str, str]]:
    """Return the cells of each row, by column."""
    rows = []
    for row in rates:
        mean = row.difference.mean
        change = "" if mean is None else f"{points(mean, text_style)}{spread(row.difference.interval, text_style)}"
        cells = {
            "skill": row.skill, "student": row.student, "arm": arm_label(row.arm), "cases": str(row.difference.pairs),
            "before": _rate(row.before), "after": _rate(row.after), "points": change,
            "p": "" if row.p is None else f"{row.p:.2g}",
        }  # fmt: skip
        rows.append({name: text_style.clean(text) for name, text in cells.items()})
    return rows


def _sentence(row: Mapping[str, str], text_style: TextStyle) -> str:
    """Return a row as a sentence, for reports without a table and for terminals that are too narrow for the table."""
    title = f" {text_style.sign('dot')} ".join(row[name] for name in ("student", "arm", "skill"))
    sides = f"{row['before']} {text_style.sign('arrow')} {row['after']}"
    return f"{title}: {sides} in {plural(int(row['cases']), 'case')}, {row['points']} points, p = {row['p']}"


def _rate(counted: tuple[int, int]) -> str:
    passed, decided = counted
    return f"{passed}/{decided} {percent(passed / decided)}" if decided else ""
