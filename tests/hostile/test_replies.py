"""Hostile replies get the verdicts and reasons that their files name, and leave nothing behind. Honest ones pass.

Each folder is judged in one run of pytest, in a process of its own.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.hostile import leftovers
from tests.hostile.suite import HERE, Attempt, attempts, complaint, judged

FOLDERS = ("replies/results", "replies/cell", "replies/compiler", "replies/text", "honest")
ROWS = range(1, 43)


def _harmless(tried: list[Attempt]) -> list[Attempt]:
    """Without bubblewrap, attacks that could reach the user's files are left out."""
    has_bubblewrap = shutil.which("bwrap") is not None
    return [attempt for attempt in tried if has_bubblewrap or attempt.needs != "bubblewrap"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.usefixtures("keys")
def test_every_reply_gets_the_verdict_that_its_file_names_and_leaves_nothing(
    pytester: pytest.Pytester, folder: str
) -> None:
    tried = _harmless(attempts(folder))
    with leftovers.adopting() as children, leftovers.listening() as listener:
        items = judged(pytester, tried)
        assert not leftovers.was_reached(listener)
        assert leftovers.orphans(children) == {}
    assert leftovers.marked_processes() == []
    assert leftovers.files(pytester.path) == []
    assert leftovers.port_is_free()
    complaints = [complaint(attempt, items.get(attempt.item)) for attempt in tried]
    assert not any(complaints), "\n".join(line for line in complaints if line)


def test_every_row_of_the_catalogue_has_a_file_and_every_file_a_row() -> None:
    replies = [attempt for folder in FOLDERS[:-1] for attempt in attempts(folder)]
    assert {attempt.row for attempt in replies} == set(ROWS)
    assert all(attempt.name.startswith(f"{attempt.row:02}-") for attempt in replies)


def test_the_catalogue_in_the_documentation_names_every_file_in_its_row() -> None:
    page = (HERE.parents[1] / "docs" / "trust.md").read_text(encoding="utf-8")
    told = {
        int(row[1]): set(re.findall(r"`(\d\d-[\w-]+)`", row[2])) for row in re.finditer(r"(?m)^\| (\d+) (\|.*)$", page)
    }
    replies = [attempt for folder in FOLDERS[:-1] for attempt in attempts(folder)]
    assert told == {row: {attempt.name for attempt in replies if attempt.row == row} for row in ROWS}


def test_files_of_other_folders_are_not_forgotten() -> None:
    folders = {path.parent.relative_to(HERE).as_posix() for path in HERE.rglob("*.md") if "skills" not in path.parts}
    assert folders == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS[:-1])
def test_no_hostile_file_expects_to_pass_without_saying_what_is_not_tested(folder: str) -> None:
    for path in sorted((HERE / Path(folder)).glob("*.md")):
        head = path.read_text(encoding="utf-8").split("---\n", 2)[1]
        assert "verdict: passed" not in head or "note: " in head or folder == "replies/text", path.name
