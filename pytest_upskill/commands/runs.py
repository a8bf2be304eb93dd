"""``pytest-upskill runs``: shows a table of the recorded runs, and adds runs of other machines to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_upskill.commands.history_options import filtered, opened_history
from pytest_upskill.history.importing import import_run
from pytest_upskill.history.store import Count, History, RunRow
from pytest_upskill.records import VerdictKind
from pytest_upskill.reporting.text_style import percent, printable

_COLUMNS = ("run", "started", "skills", "students", "items", "with skill", "baseline", "device", "commit", "notes")
_PIPED_WIDTH = 10_000
_DECIDED = (VerdictKind.PASSED, VerdictKind.FAILED)


@click.command("runs")
@filtered
@click.option("--last", "most", type=click.IntRange(1), default=20, show_default=True, help="How many runs to show.")
@click.option(
    "--import", "paths", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="Add the run in this file: a JSON report, for example from CI, or .upskill/run-SESSION.jsonl, which a "
    "run writes if it cannot use the history.",
)  # fmt: skip
def command(skill: str | None, student: str | None, most: int, paths: Sequence[Path]) -> None:
    """List the recorded runs, the latest last.

    pytest records every run with skills in .upskill/history.sqlite, in its rootdir. This command uses the history of
    the current folder, or of the nearest folder above that has one.
    """
    if paths:
        _import(paths)
        return
    with opened_history() as history:
        table = _table(history, skill, student, most)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(table)


def _import(paths: Sequence[Path]) -> None:
    root = next((one for one in (Path.cwd(), *Path.cwd().parents) if (one / ".upskill").is_dir()), Path.cwd())
    history = History(root)
    try:
        for path in paths:
            click.echo(printable(f"run {import_run(history, path)}: {path}"))
    finally:
        history.close()


def _table(history: History, skill: str | None, student: str | None, most: int) -> Table:
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    rows: list[RunRow] = []
    for number in reversed(history.numbers()):
        row = history.row(number)
        if any(skill in (None, one.skill) and student in (None, one.student) for one in row.counts):
            rows.append(row)
        if len(rows) == most:
            break
    for row in reversed(rows):
        table.add_row(*(Text(printable(cell)) for cell in _cells(row, skill, student)))
    return table


def _cells(row: RunRow, skill: str | None, student: str | None) -> tuple[str, ...]:
    info = row.info
    counts = [one for one in row.counts if skill in (None, one.skill) and student in (None, one.student)]
    ended = "interrupted" if info.interrupted else ""
    notes = filter(None, ["self-check" if info.self_check else "", ended, f"from {row.origin}" if row.origin else ""])
    return (
        str(row.number),
        info.started.replace("T", " ").partition("+")[0],
        ", ".join(dict.fromkeys(one.skill for one in counts)),
        ", ".join(dict.fromkeys(one.student for one in counts if one.student)),
        str(sum(one.items for one in counts)),
        _rate(counts, "skill"),
        _rate(counts, "baseline"),
        info.device,
        info.revision[:8] + ("+" if info.dirty else ""),
        ", ".join(notes),
    )


def _rate(counts: Sequence[Count], arm: str) -> str:
    """Return the pass rate, such as ``12/20 60%``, of the items that passed or failed; empty if there are none."""
    decided = [one for one in counts if one.arm == arm and one.verdict in _DECIDED]
    total = sum(one.items for one in decided)
    passed = sum(one.items for one in decided if one.verdict == VerdictKind.PASSED)
    return f"{passed}/{total} {percent(passed / total)}" if total else ""
