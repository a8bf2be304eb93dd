"""``pytest-upskill prune [SKILL ...]``: removes stored and recorded replies that no case uses.

A reply is unused when its case is gone, or when the case's prompt in its arm has changed since. Rendering prompts runs
the cases' references, as pytest does; no model is queried.
"""

import contextlib
import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click
from filelock import FileLock

from pytest_upskill import paths
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.triggers import PREFIX, triggers_of
from pytest_upskill.errors import CaseError, NotACase, SandboxError, SkillError
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Task
from pytest_upskill.records import ItemKind
from pytest_upskill.replies import cassette
from pytest_upskill.replies.cassette import Cassette
from pytest_upskill.replies.ledger import FILE, Ledger
from pytest_upskill.replies.stored_reply import Recording
from pytest_upskill.skills.arms import MODES
from pytest_upskill.skills.discovery import skill_files
from pytest_upskill.skills.skill import case_paths

ARMS = ("skill", "baseline", "placebo")
"""The arms whose prompts can be rendered again. A reply in another arm (``previous``) counts as used while its case
exists.
"""

Uses = dict[str, dict[str, frozenset[str]] | None]
"""By case and arm, the digests of the prompts of a skill's cases; None for a case that cannot be read."""


def _uses_of(skill_path: Path) -> Uses:
    """Return the prompts of a skill's cases. For a broken case the value is None, so that all its replies are kept."""
    questions = PromptRenderer()
    folder = skill_path.parent
    triggers = triggers_of(folder, folder.name)
    prompts: Uses = {case.name: {} for case in triggers.cases}
    if triggers.problem is not None:
        _warn([triggers.problem])
        prompts[PREFIX] = None
    for path in case_paths(skill_path.parent):
        try:
            case = load_case(path, skill_path.parent.name, skill_path.parent)
            prompts[case.name] = {arm: _digests(questions, case, skill_path, arm) for arm in ARMS}
        except NotACase:
            continue
        except (CaseError, SkillError, SandboxError) as error:
            _warn([error])
            prompts[path.stem] = None
    return prompts


def _digests(questions: PromptRenderer, case: Case, skill_path: Path, arm: str) -> frozenset[str]:
    """Return the digests of a case's prompt in all modes of disclosure, because a student's table may choose any of
    them.
    """
    kind = ItemKind.KERNEL if case.kind == "kernel" else ItemKind.TEXT
    plain = Task(
        id="", kind=kind, skill=case.skill, skill_path=skill_path, case=case, student=None, arm=arm, trial=1, seed=0,
        examples=None, example=None, replay="",
    )  # fmt: skip
    return frozenset(questions.of(replace(plain, disclosure=mode)).prompt.digest for mode in MODES)


def prune(skill_path: Path, root: Path, dry_run: bool = False, known: Sequence[Path] = ()) -> list[str]:
    """Remove unused replies from a skill's cassettes and from the ledger below ``root``. Return a line for each of
    them.

    Stored replies that another skill of the same name among ``known`` uses are kept.
    """
    uses = _uses_of(skill_path)
    lines = []
    for path in sorted((skill_path.parent / cassette.FOLDER).glob("*.jsonl")):
        lines += _prune_cassette(path, uses, root, dry_run)
    if (root / paths.HOME / FILE).is_file():
        others = (_uses_of(path) for path in known if _is_namesake(path, skill_path))
        lines += _prune_ledger(skill_path.parent.name, functools.reduce(_joined, others, uses), root, dry_run)
    return sorted(lines)


def _is_namesake(path: Path, other: Path) -> bool:
    return path.parent.name == other.parent.name and path.resolve() != other.resolve()


def _joined(one: Uses, other: Uses) -> Uses:
    """Return the uses of two skills together. A case that cannot be read in one of them keeps all its replies."""
    joined = {**one, **other}
    for case in one.keys() & other.keys():
        first, second = one[case], other[case]
        joined[case] = {arm: first[arm] | second[arm] for arm in ARMS} if first and second else None
    return joined


def _prune_cassette(path: Path, uses: Uses, root: Path, dry_run: bool) -> list[str]:
    with FileLock(paths.home(root) / "cassettes.lock"):
        found = Cassette(path)
        recordings = found.recordings()
        if (unused := _unused(recordings, uses)) and not dry_run:
            used = [one for one in recordings if one.key not in unused]
            cassette.write(path, used, [line for _, line in found.unusable()])
    _warn(found.problems.values())
    return [_told(one, os.path.relpath(path), unused[one.key]) for one in recordings if one.key in unused]


def _prune_ledger(skill: str, uses: Uses, root: Path, dry_run: bool) -> list[str]:
    ledger = Ledger(root, "prune")
    try:
        lines, keys = [], []
        by_student: dict[str, list[Recording]] = {}
        for student, one in ledger.replies_to(skill):
            by_student.setdefault(student, []).append(one)
        for student, recordings in sorted(by_student.items()):
            unused = _unused(recordings, uses)
            keys += list(unused)
            place = f"{paths.HOME}/{FILE}, {student}"
            lines += [_told(one, place, unused[one.key]) for one in recordings if one.key in unused]
        if keys and not dry_run:
            ledger.forget(keys)
        _warn(ledger.problems.take())
        return lines
    finally:
        ledger.leave()
        ledger.close()


def _warn(problems: Iterable[object]) -> None:
    for problem in problems:
        click.echo(f"Warning: {problem} (the replies concerned are kept)", err=True)


def _unused(recordings: Sequence[Recording], uses: Uses) -> dict[str, str]:
    """Return, by key, the recordings that no case uses, each with the reason."""
    kept: list[Recording] = []
    unused: dict[str, str] = {}
    for one in sorted(recordings, key=lambda one: one.turn):
        if why := _why_unused(one, uses, kept):
            unused[one.key] = why
        else:
            kept.append(one)
    return unused


def _why_unused(one: Recording, uses: Uses, kept: Sequence[Recording]) -> str:
    """Return why no case uses a recording, or "" if a case does. A later turn is used if the first turn is."""
    if one.case.startswith(PREFIX) and PREFIX in uses:  # the file with the queries cannot be read
        return ""
    if one.case not in uses:
        return "its case is gone"
    if one.turn > 1:
        first = any(other.label == (one.case, one.arm, one.trial, 1) for other in kept)
        return "" if first else "its first turn is gone"
    if (prompts := uses[one.case]) is None or one.arm not in prompts or one.prompt in prompts[one.arm]:
        return ""
    return "its prompt has changed"


def _told(one: Recording, place: str, why: str) -> str:
    trial = f"-{one.trial}" if one.trial > 1 else ""
    turn = f", turn {one.turn}" if one.turn > 1 else ""
    return f"{place}: {one.case} [{one.arm}{trial}{turn}]: {why}"


@click.command("prune")
@click.argument("skills", metavar="[SKILL]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--rootdir", default=".", type=click.Path(path_type=Path), help="pytest's rootdir, which contains .upskill."
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
def command(skills: Sequence[Path], rootdir: Path, dry_run: bool) -> None:
    """Remove stored and recorded replies that no case uses.

    SKILL is a skill's folder or its SKILL.md. The default is all skills below the current folder. A reply is unused if
    its case is gone, or if the case's prompt has changed.
    """
    removed = 0
    named, known = skill_files(skills), list[Path]()
    with contextlib.suppress(SkillError):  # there may be no skills below the rootdir
        known = skill_files([rootdir])
    for skill_path in named:
        for line in prune(skill_path.resolve(), rootdir.resolve(), dry_run, [*named, *known]):
            removed += 1
            click.echo(line)
    click.echo(f"{removed} {'reply' if removed == 1 else 'replies'} {'would be ' if dry_run else ''}removed")
