"""``pytest-upskill report RUN``: prints or writes the report of a recorded run, in any format."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from pytest_upskill.commands.history_options import opened_history
from pytest_upskill.configuration import values
from pytest_upskill.configuration.settings import ReportTarget
from pytest_upskill.errors import UsageError
from pytest_upskill.history.selection import LAST, comparisons, find_run
from pytest_upskill.history.store import History, StoredRun
from pytest_upskill.records.gating import Gates
from pytest_upskill.reporting import render
from pytest_upskill.reporting.files import write_report
from pytest_upskill.reporting.view import View, build_view

_OPTION = "--output"


@click.command("report")
@click.argument("run", metavar="[RUN]", default=LAST)
@click.option(
    "--html", "suffix", flag_value=".html", help="A page for a browser, in run-NUMBER.html unless -o is given."
)
@click.option("--md", "suffix", flag_value=".md", help="Markdown, for a pull request.  [default]")
@click.option("--csv", "suffix", flag_value=".csv", help="One row for each item.")
@click.option("--json", "suffix", flag_value=".json", help="The stable format for scripts.")
@click.option(
    "-o", "--output", metavar="PATH",
    help="Write to this path. As with --upskill-report, its suffix or prefix selects the format, such as "
    "badge:badge.json.",
)  # fmt: skip
def command(run: str, suffix: str | None, output: str | None) -> None:
    """Print a report of a recorded run, as --upskill-report writes it.

    RUN is a number that `pytest-upskill runs` shows, 'last' (the default), or a JSON report.
    """
    target = _target(output) if output else None
    form = suffix or (target.form if target else ".md")
    with opened_history() as history:
        stored = history.load(find_run(history, run), texts=True)
        view = _view(history, stored)
        runs = history.earlier(stored.number) if form == ".html" else []
    text = partial(render, view, form, [build_view(one.items, one.info, Gates()) for one in runs])
    try:
        if target is None and form != ".html":
            click.echo(text(), nl=False)
            return
        path = target.path if target else Path(f"run-{stored.number}.html")
        write_report(form, path, view, text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    click.echo(f"report: {output or path}")


def _target(output: str) -> ReportTarget:
    """Return the file to write to. Raises UsageError."""
    form, colon, _ = output.partition(":")
    if colon and form in values.REPORT_FORMS:
        try:
            values.reports(output)
        except ValueError as error:
            raise UsageError(f"{_OPTION}: {error}") from None
    target = ReportTarget.of(output, Path())
    target.check(_OPTION)
    return target


def _view(history: History, stored: StoredRun) -> View:
    """Return the view of a run with its gates, and with the changes since the runs before it."""
    named = () if stored.info.self_check else (LAST, *stored.info.gates.runs)
    found, aa_runs = comparisons(history, stored, named), history.aa_runs(stored.number)
    return build_view(list(stored.items), stored.info, comparisons=found, aa_runs=aa_runs)
