"""``pytest-upskill lint [PATH ...]``: makes the same checks of skills and cases as collection, but without pytest."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from pytest_upskill.cases.acceptance import listing_of
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.triggers import triggers_of
from pytest_upskill.commands.new_case import PLACEHOLDER
from pytest_upskill.errors import CaseError, NotACase
from pytest_upskill.generator import record_check
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.skills.skill import Problem, validate


@click.command("lint")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, paths: Sequence[Path]) -> None:
    """Check the files of skills and cases.

    PATH is a skill's folder, its SKILL.md, or a folder that contains skills. The default is all skills below the
    current folder. A skill must not contain the solutions or tasks of its cases, and the record of cases that
    upskill-gen keeps must be valid. References and solutions are not run: `pytest --upskill` does that. The exit
    status is 1 if there is an error; warnings do not change it.
    """
    files = skill_files(paths)
    errors = warnings = 0
    seen: set[Path] = set()
    for path, problem in (found for file in files for found in problems(file, seen)):
        errors += problem.severity == "error"
        warnings += problem.severity == "warning"
        severity = click.style(problem.severity, fg="red" if problem.severity == "error" else "yellow", bold=True)
        place = click.style(printable(f"{path}:{problem.line or 1}"), bold=True)
        click.echo(f"{place}: {severity}: {printable(problem.message)}")
    click.echo(f"{plural(len(files), 'skill')}: {plural(errors, 'error')}, {plural(warnings, 'warning')}")
    ctx.exit(1 if errors else 0)


def problems(skill_path: Path, seen: set[Path] | None = None) -> Iterator[tuple[Path, Problem]]:
    """Yield what is wrong with a skill and with each of its cases: the file, and the problem with its line.

    Cases in ``seen`` are left out. Cases that were checked are added to ``seen``.
    """
    for problem in validate(skill_path):
        yield skill_path, problem
    found = case_files(skill_path.parent)
    evals = skill_path.parent / "evals"
    triggers = triggers_of(skill_path.parent, skill_path.parent.name)
    for error in (found.problem, listing.problem if (listing := listing_of(evals)) else None, triggers.problem):
        if error is not None:
            yield error.path or evals, Problem("error", error.message, error.line)
    known: set[Path] = set() if seen is None else seen
    cases: list[Case] = []
    for path in found.paths:
        is_new = path.resolve() not in known
        known.add(path.resolve())
        try:
            cases.append(load_case(path, skill_path.parent.name))
        except CaseError as error:
            if is_new:
                yield path, Problem("warning" if isinstance(error, NotACase) else "error", error.message, error.line)
        else:
            yield from ((path, problem) for problem in _advice(cases[-1]) if is_new)
    yield from record_check.problems(skill_path.parent, cases)
    for path in sorted(skill_path.parent.glob("*.md")):
        if path != skill_path and _is_case(path, skill_path.parent.name):
            yield path, Problem("warning", "this case lies outside evals/, where it is not found: move it there")


def _is_case(path: Path, skill: str) -> bool:
    """Whether a file is meant as a case, which may be broken."""
    try:
        load_case(path, skill)
    except CaseError as error:
        return not isinstance(error, NotACase)
    return True


def _advice(case: Case) -> Iterator[Problem]:
    if PLACEHOLDER in case.task:
        yield Problem("warning", f"the task still says {PLACEHOLDER}: it is all that a student sees")
    if case.kind == "kernel" and case.solution is None:
        yield Problem("warning", "no '## Solution': the self-check tries wrong results only; add a right kernel")
