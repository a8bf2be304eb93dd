"""``pytest-upskill report RUN``: the report of a recorded run, in any format."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.history_options import opened_history
from pytest_upskill.configuration.settings import check_writable
from pytest_upskill.errors import UsageError
from pytest_upskill.history.selection import LAST, find_run
from pytest_upskill.reporting import render
from pytest_upskill.reporting.view import build_view


@click.command("report")
@click.argument("run", metavar="[RUN]", default=LAST)
@click.option(
    "--html", "suffix", flag_value=".html", help="A page for a browser, in run-NUMBER.html unless -o is given."
)
@click.option("--md", "suffix", flag_value=".md", help="Markdown, for a pull request.  [default]")
@click.option("--csv", "suffix", flag_value=".csv", help="One row for each item.")
@click.option("--json", "suffix", flag_value=".json", help="The stable format for scripts.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file; its suffix is the format.")
def command(run: str, suffix: str | None, output: Path | None) -> None:
    """Print the report of a recorded run, the same as --upskill-report writes.

    RUN is a number that `pytest-upskill runs` shows, 'last' (the default), or a JSON report.
    """
    suffix = suffix or (output.suffix if output else ".md")
    if output:
        check_writable(output, "--output")
    with opened_history() as history:
        stored = history.load(find_run(history, run), texts=True)
    try:
        text = render(build_view(list(stored.items), stored.info), suffix)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if output is None and suffix == ".html":
        output = Path(f"run-{stored.number}.html")
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"report: {output}")
