"""``upskill-gen delete SKILL``: removes a skill that upskill-gen has made, after showing what it holds."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click

from pytest_upskill.cases.provenance import FILE, read_provenance
from pytest_upskill.errors import CaseError, UsageError, shown_path
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.reporting.text_style import plural, printable
from pytest_upskill.skills.skill import FILE_NAMES

_SHOWN = 30


@click.command("delete")
@click.argument("folder", metavar="SKILL", type=click.Path(path_type=Path))
@click.option(
    "--force", is_flag=True, help="Remove it even if upskill-gen did not write it, or changes are not in git."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(folder: Path, force: bool, yes: bool) -> None:
    """Remove a skill that upskill-gen has written.

    Shows the files of the folder SKILL and asks for confirmation. A folder without a record of upskill-gen, or with
    changes that are not committed to git, is not removed. Stored answers of the teacher are kept.
    """
    _check(folder)
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    for path in files[:_SHOWN]:
        click.echo(f"  {printable(shown_path(path))}")
    if len(files) > _SHOWN:
        click.echo(f"  and {len(files) - _SHOWN} more")
    reasons = list(_reasons(folder))
    if reasons and not force:
        raise UsageError(f"{folder} is not removed: {'; '.join(reasons)}; --force removes it all the same")
    if not yes:
        click.confirm(f"Remove {printable(str(folder))} with {plural(len(files), 'file')}?", abort=True)
    with alone(folder):
        shutil.rmtree(folder.resolve())  # a path such as 'evals/..' would no longer exist once 'evals' is removed
    click.echo(f"removed {printable(str(folder))}")


def _check(folder: Path) -> None:
    """Raise UsageError unless the folder is a skill and contains nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name the folder of a skill")
    if not any((folder / name).is_file() for name in FILE_NAMES):
        raise UsageError(f"{folder} holds no SKILL.md; name the folder of a skill")
    here = folder.resolve()
    if Path.cwd().is_relative_to(here) or (folder / ".git").exists():
        raise UsageError(f"{folder} is the current folder, above it, or a repository; name the folder of a skill")


def _reasons(folder: Path) -> Iterator[str]:
    try:
        made = read_provenance(folder / "evals")
    except CaseError:
        made = None
    if made is None or made.skill is None:
        yield f"upskill-gen did not write it (evals/{FILE} does not say so)"
    if problem := _git_problem(folder):
        yield problem


def _git_problem(folder: Path) -> str:
    """Return why git could not restore the folder, or an empty text if git could."""
    command = ["git", "-C", str(folder), "status", "--porcelain", "--ignored", "--untracked-files=all", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return "git is not installed, so it could not be restored"
    if done.returncode != 0:
        return "it is not in a git repository, so it could not be restored"
    changed = [line[3:] for line in done.stdout.splitlines()]
    return f"changes are not in git ({', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''})" if changed else ""
