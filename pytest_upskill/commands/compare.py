"""``pytest-upskill compare [A] [B]``: shows what changed between two recorded runs."""

from __future__ import annotations

import click

from pytest_upskill.commands.history_options import filtered, opened_history, terminal_style
from pytest_upskill.errors import UsageError
from pytest_upskill.history.comparison import Filter, compare
from pytest_upskill.history.selection import LAST, find_run
from pytest_upskill.history.store import History
from pytest_upskill.reporting.comparison import comparison_lines


@click.command("compare")
@click.argument("first", metavar="[A]", default="")
@click.argument("second", metavar="[B]", default="")
@filtered
@click.option("--arm", metavar="NAME", help="Only items of this arm.")
@click.option("-k", "text", metavar="TEXT", help="Only items whose id contains this text.")
@click.option("--all", "everything", is_flag=True, help="List all items that changed, however many.")
def command(
    first: str, second: str, skill: str | None, student: str | None, arm: str | None, text: str | None, everything: bool
) -> None:
    """Compare run A with the later run B.

    A and B are numbers that `pytest-upskill runs` shows, 'last', or JSON reports. Without B, A is compared with the
    last run. Without A and B, the last run is compared with the latest earlier run that has at least half of its
    items. Students of different names are compared if each run has exactly one.
    """
    with opened_history() as history:
        before, after = _chosen(history, first, second)
        found = compare(history.brief(before), history.brief(after), Filter(skill, student, arm, text))
    if not found.changes and not found.same:
        raise UsageError(f"runs {before} and {after} have no such item; leave out --skill, --student, --arm or -k")
    for line in comparison_lines(found, terminal_style(), everything):
        click.echo(line)


def _chosen(history: History, first: str, second: str) -> tuple[int, int]:
    after = find_run(history, second or LAST)
    if first:
        return find_run(history, first), after
    before = history.before(after)
    if before is None:
        raise UsageError(
            f"there is no earlier run with an item of run {after}; name two runs that `pytest-upskill runs` shows"
        )
    return before, after
