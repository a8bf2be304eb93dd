"""Hostile replies get the verdicts and reasons that their files name, and leave nothing behind. Honest ones pass.

The files of a chunk are judged in one run of pytest, when the first of them is tested; only the selected ones are
judged. By default these are all replies of text, one hostile kernel for each row of the catalogue, and some honest
ones.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.suite import HERE, Attempt, Judged, attempts, complaint, judged

FOLDERS = ("replies/results", "replies/cell", "replies/compiler", "replies/text", "honest")
ROWS = (*range(1, 43), 44, 45)
CHUNK = 20
SAMPLE_CHUNKS = 4
HONEST_ONES = 3
FEWER_EXAMPLES = ("--upskill-examples=10", "--upskill-seed=1")
"""For the sample, but for its first chunk: most of the time goes to examples, and these find everything but..."""
NEED_ALL_EXAMPLES = frozenset(("15-one-call-in-seven-is-wrong",))


def _in_the_sample(folder: str, attempt: Attempt) -> bool:
    others = attempts(folder)
    if folder == "replies/text":  # nothing is built for most of them
        return True
    if folder == "honest":
        return others.index(attempt) % (len(others) // HONEST_ONES) == 0
    return next(other for other in others if other.row == attempt.row) == attempt


def _parameters() -> list[object]:
    """The sample in a few chunks of similar cost, since each chunk starts pytest once; then the rest by folder."""
    found, sampled = [], 0
    for folder in FOLDERS:
        for number, attempt in enumerate(attempts(folder)):
            marks: tuple[pytest.MarkDecorator, ...] = ()
            if _in_the_sample(folder, attempt):
                chunk = "sample-0" if attempt.name in NEED_ALL_EXAMPLES else f"sample-{sampled % SAMPLE_CHUNKS}"
                sampled += 1
            else:
                chunk, marks = f"{Path(folder).name}-{number // CHUNK}", (pytest.mark.full,)
            found.append(pytest.param(attempt, chunk, id=f"{attempt.name}@{chunk}", marks=marks))
    return found


@pytest.fixture(scope="session")
def judged_chunk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Judged]:
    """Judges the selected attempts of a chunk together, once."""
    values = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = [(value["chunk"], value["attempt"]) for value in values if value.keys() == {"chunk", "attempt"}]

    @functools.cache
    def of(chunk: str) -> Judged:
        tried = [attempt for name, attempt in selected if name == chunk and not _harmful(attempt)]
        options = FEWER_EXAMPLES if chunk.startswith("sample") and chunk != "sample-0" else ()
        return judged(tmp_path_factory.mktemp("hostile"), tried, *options)

    return of


def _harmful(attempt: Attempt) -> bool:
    """Whether it would reach the user's files on this machine."""
    return attempt.needs == "bubblewrap" and shutil.which("bwrap") is None


@pytest.mark.parametrize(("attempt", "chunk"), _parameters())
def test_a_reply_gets_the_verdict_that_its_file_names_and_leaves_nothing(
    judged_chunk: Callable[[str], Judged], attempt: Attempt, chunk: str
) -> None:
    if _harmful(attempt):
        pytest.skip("would reach your files without bubblewrap: apt install bubblewrap")
    found = judged_chunk(chunk)
    assert not found.left
    assert not complaint(attempt, found.items.get(attempt.item))


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
