"""``pytest-upskill list [PATH ...]``: a table of skills and their cases."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.errors import CaseError, SkillError
from pytest_upskill.skills.skill import case_paths, skill_files

_PIPED_WIDTH = 200
"""Columns where the output is no terminal: wide enough that no line is wrapped."""


@click.command("list")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, paths: Sequence[Path]) -> None:
    """List skills and their cases.

    PATH is a skill's folder, its SKILL.md, or a folder above skills; without one, all skills below the current folder
    are listed. The exit status is 1 where a case cannot be read.
    """
    from rich.console import Console
    from rich.table import Table

    try:
        files = skill_files(paths)
    except SkillError as error:
        raise click.UsageError(str(error)) from None
    if not files:
        raise click.UsageError("no SKILL.md below the current folder; name a folder with skills")
    table = Table("skill", "case", "language", "contract", "dtypes", "tags", box=None, pad_edge=False)
    broken = 0
    for file in files:
        skill = file.absolute().parent.name
        for path in case_paths(file.parent):
            try:
                table.add_row(skill, path.stem, *_columns(load_case(path, skill)))
            except CaseError as error:
                broken += 1
                table.add_row(skill, path.stem, "[red]cannot be read[/red]")
                click.echo(f"{path}:{error.line or 1}: {error.message}", err=True)
    piped = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(width=piped, highlight=False)
    console.print(table)
    ctx.exit(1 if broken else 0)


def _columns(case: Case) -> tuple[str, str, str, str]:
    if case.kind == "text":
        return "text", "", "", ", ".join(case.tags)
    return case.language, case.contract, ", ".join(case.dtypes), ", ".join(case.tags)
