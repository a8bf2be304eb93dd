"""``pytest-upskill list [PATH ...]``: a table of skills and their cases."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.errors import CaseError, NotACase
from pytest_upskill.languages import registry
from pytest_upskill.reporting.text_style import printable
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.skills.skill import case_paths

_PIPED_WIDTH = 10_000
"""The width if the output is not a terminal: no line is wrapped."""


@click.command("list")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, paths: Sequence[Path]) -> None:
    """List skills and their cases.

    PATH is a skill's folder, its SKILL.md, or a folder that contains skills; without one, all skills below the current
    folder are listed. The exit status is 1 if a case cannot be read.
    """
    table = Table("skill", "case", "language", "contract", "device", "dtypes", "tags", box=None, pad_edge=False)
    broken = False
    files = skill_files(paths)
    names = Counter(file.absolute().parent.name for file in files)
    for file in files:
        skill = file.absolute().parent.name
        shown = skill if names[skill] == 1 else str(file.parent)
        for path in case_paths(file.parent):
            try:
                columns = _columns(load_case(path, skill))
            except NotACase:
                continue
            except CaseError as error:
                broken, columns = True, ("cannot be read",)
                click.echo(printable(f"{path}:{error.line or 1}: {error.message}"), err=True)
            table.add_row(*(Text(printable(cell)) for cell in (shown, path.stem, *columns)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(table)
    ctx.exit(1 if broken else 0)


def _columns(case: Case) -> tuple[str, ...]:
    if case.kind == "text":
        return "text", "", "", "", ", ".join(case.tags)
    language = registry.find(case.language)
    devices = ", ".join(language.devices) if language else "unknown language"
    return case.language, case.contract, devices, ", ".join(case.dtypes), ", ".join(case.tags)
