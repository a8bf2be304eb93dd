"""``pytest-upskill lint [PATH ...]``: holds skills and their cases against the specification, without pytest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from pytest_upskill.cases.case_file import load_case
from pytest_upskill.errors import CaseError, SkillError
from pytest_upskill.skills.advice import Problem
from pytest_upskill.skills.skill import case_paths, skill_files, validate


@click.command("lint")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, paths: Sequence[Path]) -> None:
    """Check skills and cases against the specification.

    PATH is a skill's folder, its SKILL.md, or a folder above skills; without one, all skills below the current folder
    are checked. References and solutions are not run: `pytest --upskill` does that. The exit status is 1 where
    something is an error; warnings are advice.
    """
    try:
        files = skill_files(paths)
    except SkillError as error:
        raise click.UsageError(str(error)) from None
    if not files:
        raise click.UsageError("no SKILL.md below the current folder; name a folder with skills")
    errors = warnings = 0
    for file in files:
        for path, problem in problems(file):
            errors += problem.severity == "error"
            warnings += problem.severity == "warning"
            style = {"fg": "red", "bold": True} if problem.severity == "error" else {"fg": "yellow"}
            place = click.style(f"{path}:{problem.line or 1}", bold=True)
            click.echo(f"{place}: {click.style(problem.severity, **style)}: {problem.message}")
    click.echo(f"{_count(len(files), 'skill')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    ctx.exit(1 if errors else 0)


def problems(skill_path: Path) -> Iterator[tuple[Path, Problem]]:
    """What is wrong with a skill and with each of its cases: the file, and the problem with its line."""
    for problem in validate(skill_path):
        yield skill_path, problem
    for path in case_paths(skill_path.parent):
        try:
            load_case(path, skill_path.parent.name)
        except CaseError as error:
            yield path, Problem("error", error.message, error.line)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
