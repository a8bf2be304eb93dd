"""``upskill-gen accept SKILL [CASE ...]``: shows the code of generated cases, and records that a person trusts the
code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from pytest_upskill.cases import acceptance
from pytest_upskill.cases.acceptance import Listing
from pytest_upskill.cases.case import Case, Snippet
from pytest_upskill.cases.case_file import load_cases
from pytest_upskill.documents.hidden_characters import Disguised, Hidden, disguised_names, hidden_characters, visible
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import NotACase, UsageError, shown_path
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.skills.case_files import case_files
from pytest_upskill.skills.skill import FILE_NAMES, skill_file

_DIGITS = 12
"""How many digits of a digest are shown."""


@click.command("accept")
@click.argument("skill", metavar="SKILL", required=False, type=click.Path(path_type=Path))
@click.argument("names", metavar="[CASE]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Accept without confirmation, unless the code has hidden characters.")
@click.option("--show", is_flag=True, help="Only show the code; store nothing.")
@click.option(
    "--list", "listed", is_flag=True, help="List the accepted cases of a skill, or of all skills; change nothing."
)
@click.option("--revoke", is_flag=True, help="Stop trusting the code of these cases.")
@click.pass_context
def command(
    ctx: click.Context, skill: Path | None, names: Sequence[str], yes: bool, show: bool, listed: bool, revoke: bool
) -> None:
    """Show the code of the cases that upskill-gen wrote, and trust it on this machine.

    Until you accept a generated case, its reference and inputs run in a sandbox. SKILL is a skill's folder; CASE names
    some of its cases (default: all). Only the code is accepted ('op', '## Reference', '## Inputs'); if it changes,
    accept it again. The acceptance is stored in your own state folder, never in the skill. The exit status is 1 if you
    decline.
    """
    if sum((yes, show, listed, revoke)) > 1:
        raise UsageError("--yes, --show, --list and --revoke exclude each other: keep one")
    if skill is None:
        if not listed:
            raise UsageError("name a skill, as in 'upskill-gen accept skills/NAME'; --list shows all acceptances")
        _list_all()
        return
    cases, broken = _cases(skill, names)
    if listed:
        _list(cases)
    elif revoke:
        for case in (found := acceptance.revoke(cases)):
            click.echo(f"{case.name}: no longer accepted")
        click.echo(f"{plural(len(found), 'acceptance')} removed")
    else:
        broken |= not _accept([case for case in cases if show or not acceptance.is_accepted(case)], yes, show)
    ctx.exit(1 if broken else 0)


def _cases(skill: Path, names: Sequence[str]) -> tuple[list[Case], bool]:
    """Return the generated cases with code, and whether any case could not be read. Raises SkillError, UsageError."""
    if skill.suffix == ".md" and skill.name not in FILE_NAMES and skill.parent.name == "evals":
        skill, names = skill.parent.parent, (skill.stem, *names)
    folder = skill_file(skill).parent
    files = case_files(folder)
    problems = [files.problem] if files.problem else []
    found: dict[str, Case] = {}
    for path, one in zip(files.paths, load_cases(files.paths, folder.absolute().name, folder), strict=True):
        if isinstance(one, Case):
            found[one.name] = one
        elif not isinstance(one, NotACase) and (not names or path.stem in names):
            problems.append(one)
    failed = {error.path.stem for error in problems if error.path}
    for name in names:
        if name not in found and name not in failed:
            raise UsageError(f"{folder} has no case '{name}'{suggest(name, found)}")
    listings: dict[Path, Listing | None] = {}
    chosen = [case for case in found.values() if case.name in names or not names]
    generated = [case for case in chosen if case.op is not None and acceptance.is_generated(case, listings)]
    problems += [one.problem for one in listings.values() if one is not None and one.problem is not None]
    for error in problems:
        click.echo(printable(f"error: {error}"), err=True)
    for case in chosen if names else ():
        if case not in generated:
            why = "it has no code" if case.op is None else "upskill-gen did not write it"
            click.echo(f"{case.name}: needs no acceptance, since {why}")
    return generated, bool(problems)


def _list_all() -> None:
    found = list(acceptance.acceptances())
    for one in found:
        what = f"{one.skill or '?'}/{one.case or '?'}"
        click.echo(printable(f"{one.digest[:_DIGITS]}  {what}  {one.when}".rstrip()))
    click.echo(f"{plural(len(found), 'acceptance')} in {acceptance.folder()}")


def _list(cases: Sequence[Case]) -> None:
    for case in cases:
        state = "accepted" if acceptance.is_accepted(case) else "not accepted: runs in a sandbox"
        click.echo(f"{acceptance.digest_of(case)[:_DIGITS]}  {case.name}  {state}")
    if not cases:
        click.echo("no case here needs an acceptance")


def _accept(cases: Sequence[Case], yes: bool, show: bool) -> bool:
    """Show the code, ask the user, and store the acceptance. Return False if the user declines."""
    if not cases:
        click.echo("nothing to accept: no case here is generated and has code that was not accepted")
        return True
    console = Console(highlight=False)
    strange = {case.name: list(_shown(case, console)) for case in cases}
    strange = {name: found for name, found in strange.items() if found}
    if show:
        return True
    if strange and yes:
        refused = "this code looks different from what runs; read it, and accept these cases without --yes"
        raise UsageError(f"hidden or deceptive characters in {', '.join(strange)}: {refused}")
    if strange and not _is_terminal():
        refused = "such code is accepted by an answer at a terminal only, after reading it"
        raise UsageError(f"hidden or deceptive characters in {', '.join(strange)}: {refused}; nothing was accepted")
    names = ", ".join(case.name for case in cases)
    click.echo(f"\nThis code will run with your rights, outside of a sandbox: {plural(len(cases), 'case')} ({names}).")
    try:
        if not (yes or click.confirm("Trust it on this machine?", default=False)):
            click.echo("nothing was accepted")
            return False
    except click.Abort:
        without = "" if _is_terminal() else "; without a terminal, read the code by --show, then use --yes"
        click.echo(f"\nnothing was accepted{without}")
        return False
    for case in cases:
        acceptance.accept(case)
    click.echo(f"{plural(len(cases), 'case')} accepted; --revoke takes it back")
    return True


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _shown(case: Case, console: Console) -> Iterator[Hidden | Disguised]:
    """Print a case's code, and yield the places in it that look different from what they are."""
    place = shown_path(case.path)
    title = f"{case.name}  {place}  {acceptance.digest_of(case)[:_DIGITS]}"
    console.print(Text(printable(title), "bold"), soft_wrap=True)
    assert case.op is not None
    console.print(Text(visible(f"op: {case.op.text}"), "dim"), soft_wrap=True)
    for snippet in filter(None, (case.reference, case.inputs)):
        _print_code(snippet, console)
    parts = (Snippet(case.op.text, 1, case.path), case.reference, case.inputs)
    for part in filter(None, parts):
        found: list[Hidden | Disguised] = [*hidden_characters(part.source), *disguised_names(part.source)]
        for one in found:
            where = f"{place}:{part.line + one.line - 1}: "
            console.print(Text(f"warning: {where}{one}", "bold yellow"), soft_wrap=True)
            yield one
    console.print()


def _print_code(snippet: Snippet, console: Console) -> None:
    code = visible(snippet.source.rstrip("\n"))
    if console.is_terminal:
        console.print(
            Syntax(code, "python", line_numbers=True, start_line=snippet.line, word_wrap=True, theme="ansi_dark")
        )
        return
    for number, line in enumerate(code.split("\n"), snippet.line):
        click.echo(f"{number:5} {line}".rstrip())
