"""Two runs of the history side by side, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
"""Items of a kind of change that are listed, without ``everything``."""
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
    """The changes of the items, the pass rates, and what else differs; all items that changed if ``everything``."""
    for label, run in (("before", found.before), ("after", found.after)):
        yield from text_style.lines(f"{label}  {run_title(run)}", 0, hang=8)
    for contrast in found.contrasts:
        sides = f"{contrast.before} {text_style.sign('arrow')} {contrast.after}" if contrast.before else contrast.after
        yield from text_style.lines(f"{contrast.name}: {sides}", 2, "yellow", hang=2)
    yield from _counts(found, text_style)
    for kind in _HEADINGS:
        yield from _listed(kind, found.of_kind(kind), text_style, everything)
    if found.rates:
        yield ""
        yield from _rates(found.rates, text_style)


def run_title(run: StoredRun) -> str:
    """``run 3 of 2026-11-30 04:10:00, 24 items``."""
    info = run.info
    ended = ", interrupted" if info.interrupted else ""
    origin = f", from {run.row.origin}" if run.row.origin else ""
    started = info.started.replace("T", " ").partition("+")[0]
    return f"run {run.number} of {started}, {plural(len(run.items), 'item')}{ended}{origin}"


def _counts(found: Comparison, text_style: TextStyle) -> Iterator[str]:
    numbers = ((len(found.of_kind(kind)), kind.value) for kind in _HEADINGS)
    said = [f"{number} {what}" for number, what in numbers if number]
    yield ""
    yield from text_style.lines(", ".join([*said, f"{found.same} unchanged"]), 0, "bold")


def _listed(kind: ChangeKind, changes: tuple[Change, ...], text_style: TextStyle, everything: bool) -> Iterator[str]:
    if not changes:
        return
    heading, color = _HEADINGS[kind]
    yield ""
    yield text_style.paint(f"{heading}:", *filter(None, ("bold", color)))
    shown = changes if everything else changes[:SHOWN]
    for change in shown:
        yield from text_style.lines(_change(change, text_style), 2, hang=2)
    if len(shown) < len(changes):
        yield f"  and {len(changes) - len(shown)} more"


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
    """``passed`` of one trial, ``2 of 5 passed`` of several."""
    kinds = list(trials.values())
    if len(kinds) == 1:
        return kinds[0].value
    return f"{kinds.count(VerdictKind.PASSED)} of {len(kinds)} passed"


def _rates(rates: tuple[RateChange, ...], text_style: TextStyle) -> Iterator[str]:
    several = len(rates) > 1
    rows = []
    for row in rates:
        mean = row.difference.mean
        change = "" if mean is None else f"{points(mean, text_style)}{spread(row.difference.interval, text_style)}"
        cells = {
            "skill": row.skill, "student": row.student, "arm": arm_label(row.arm), "cases": str(row.difference.pairs),
            "before": _rate(row.before), "after": _rate(row.after), "points": change,
            "p": "" if row.p is None else f"{row.p:.2g}",
        }  # fmt: skip
        rows.append({name: Cell((text_style.clean(text),)) for name, text in cells.items()})
    table = Table(_COLUMNS, rows)
    if table.width <= text_style.width:
        yield table.heading(text_style)
        yield from (table.line(one, text_style) for one in rows)
    else:
        for one in rows:
            yield from text_style.lines(
                _sentence({name: cell.text for name, cell in one.items()}, text_style), 1, hang=2
            )
    note = "points: difference of the pass rates, paired by case, with its 95% interval; p: exact sign-flip test"
    yield from text_style.lines(note + (", corrected for the number of rows (Holm)" if several else ""), 1, "dim")


def _sentence(row: Mapping[str, str], text_style: TextStyle) -> str:
    """A row on a terminal that is too narrow for the table."""
    title = f" {text_style.sign('dot')} ".join(row[name] for name in ("student", "arm", "skill"))
    sides = f"{row['before']} {text_style.sign('arrow')} {row['after']}"
    return f"{title}: {sides} in {row['cases']} cases, {row['points']} points, p = {row['p']}"


def _rate(counted: tuple[int, int]) -> str:
    passed, decided = counted
    return f"{passed}/{decided} {percent(passed / decided)}" if decided else ""
