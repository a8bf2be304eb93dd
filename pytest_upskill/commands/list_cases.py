"""``pytest-upskill list [PATH ...]``: shows tables of skills with their cases, and of students."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.triggers import FILE as TRIGGERS
from pytest_upskill.cases.triggers import triggers_of
from pytest_upskill.configuration.settings import students_tables
from pytest_upskill.errors import CaseError, NotACase, UsageError
from pytest_upskill.judging.signatures import language_of
from pytest_upskill.reporting.text_style import printable
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.students.builtin import BUILTIN
from pytest_upskill.students.registry import resolve

_PIPED_WIDTH = 10_000
"""The width if the output is not a terminal. It is so large that no line is wrapped."""


@click.command("list")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, paths: Sequence[Path]) -> None:
    """List skills, cases, tags and students.

    PATH is a skill's folder, its SKILL.md, or a folder that contains skills. The default is all skills below the
    current folder. Students are the built-in ones, and those in the pyproject.toml of the current folder or of a
    folder above. The exit status is 1 if a case or a student's table cannot be read.
    """
    cases, broken_case = _cases(skill_files(paths))
    students, broken_student = _students()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    for number, table in enumerate((cases, students)):
        if number:
            console.print()
        console.print(table)
    ctx.exit(1 if broken_case or broken_student else 0)


def _cases(files: Sequence[Path]) -> tuple[Table, bool]:
    """Return the table of cases, and whether any case could not be read."""
    table = Table("skill", "case", "language", "contract", "device", "dtypes", "tags", box=None, pad_edge=False)
    broken = False
    names = Counter(file.absolute().parent.name for file in files)
    for file in files:
        skill = file.absolute().parent.name
        shown = skill if names[skill] == 1 else str(file.parent)
        rows = table.row_count
        found = case_files(file.parent)
        triggers = triggers_of(file.parent, skill)
        for problem in filter(None, (found.problem, triggers.problem)):
            broken = True
            click.echo(printable(str(problem)), err=True)
        for path in found.paths:
            try:
                columns = _columns(load_case(path, skill, file.parent))
            except NotACase:
                continue
            except CaseError as error:
                broken, columns = True, ("cannot be read",)
                click.echo(printable(f"{path}:{error.line or 1}: {error.message}"), err=True)
            table.add_row(*(Text(printable(cell)) for cell in (shown, path.stem, *columns)))
        if triggers.cases:
            table.add_row(Text(printable(shown)), TRIGGERS, f"{len(triggers.cases)} queries")
        if table.row_count == rows:
            table.add_row(Text(printable(shown)), "no cases")
    return table, broken


def _students() -> tuple[Table, bool]:
    """Return the table of students, and whether any student's table could not be read."""
    table = Table("student", "provider", "model", "endpoint", "key", box=None, pad_edge=False)
    folder = next((one for one in (Path.cwd(), *Path.cwd().parents) if (one / "pyproject.toml").is_file()), Path.cwd())
    broken = False
    try:
        tables = students_tables(folder / "pyproject.toml")
    except UsageError as error:
        broken, tables = True, {}
        click.echo(printable(str(error)), err=True)
    for name in dict.fromkeys((*BUILTIN, *tables)):
        try:
            (config,) = resolve([name], {name: tables[name]} if name in tables else {}, folder)
        except UsageError as error:
            broken = True
            click.echo(printable(str(error)), err=True)
            table.add_row(Text(printable(name)), "cannot be read")
            continue
        variable = config.api_key_env or ""
        key = f"{variable} ({'set' if os.environ.get(variable) else 'not set'})" if variable else ""
        cells = (config.name, config.provider, config.model, config.base_url or "", key)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    table.add_row("files:DIR", "files", "replies in the files of a folder")
    return table, broken


def _columns(case: Case) -> tuple[str, ...]:
    if case.kind == "text":
        return "text", "", "", "", ", ".join(case.tags)
    try:
        devices = ", ".join(language_of(case).devices)
    except CaseError:
        devices = "unknown language"
    return case.language, case.contract, devices, ", ".join(case.dtypes), ", ".join(case.tags)
