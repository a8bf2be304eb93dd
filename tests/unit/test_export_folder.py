"""A project is written as a whole, or not at all, and never over what was not exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.export.folder import MARKER, write_project

FILES = {"build.toml": "[general]\n", "tests/test_a.py": "def test_a(): pass\n"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_same_files_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "project"
    assert write_project(folder, FILES)
    first = contents(folder)
    assert set(first) == {*FILES, MARKER}
    assert not write_project(folder, FILES)
    assert contents(folder) == first
    assert names(tmp_path / "deep") == ["project"]


def test_other_files_replace_an_export_and_what_was_built_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    write_project(folder, FILES)
    (folder / "build" / "torch213-cxx11-cpu-x86_64-linux").mkdir(parents=True)
    (folder / "build" / "torch213-cxx11-cpu-x86_64-linux" / "metadata.json").write_text("{}")
    (folder / "tests" / "__pycache__").mkdir()
    (folder / "tests" / "__pycache__" / "test_a.pyc").write_text("")
    assert not write_project(folder, FILES)
    assert (folder / "build").is_dir()
    assert write_project(folder, {"build.toml": "other"})
    assert set(contents(folder)) == {"build.toml", MARKER}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / MARKER).unlink(), "exists and was not exported by pytest-upskill"),
        (lambda folder: (folder / MARKER).write_text("{"), "cannot be read"),
        (lambda folder: (folder / MARKER).write_text('{"files": 3}'), "cannot be read"),
        (lambda folder: (folder / "build.toml").write_text("mine"), "build.toml has changed since it was exported"),
        (lambda folder: (folder / "tests" / "test_a.py").unlink(), "test_a.py has changed since it was exported"),
        (lambda folder: (folder / "notes.txt").write_text("mine"), "notes.txt was added to an exported project"),
    ],
)
def test_a_folder_that_is_not_an_unchanged_export_stays_as_it_is(tmp_path: Path, change: object, says: str) -> None:
    folder = tmp_path / "project"
    write_project(folder, FILES)
    change(folder)  # type: ignore[operator]
    before = contents(folder)
    with pytest.raises(UsageError, match=f"{says}.*; name another folder, or move this one away"):
        write_project(folder, {**FILES, "build.toml": "new"})
    assert contents(folder) == before
    assert names(tmp_path) == ["project"]


def test_a_file_and_a_link_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(UsageError, match="exists and is not a folder"):
            write_project(tmp_path / name, FILES)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(UsageError, match="was not exported"):
        write_project(tmp_path / "empty", FILES)


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match=r"cannot be written: .*; name a folder where you may write"):
        write_project(tmp_path / "file" / "project", FILES)


def test_an_export_that_fails_in_the_middle_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    write_project(folder, FILES)
    before, write_bytes = contents(folder), Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "test_a.py":
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InfrastructureError, match="No space left on device"):
        write_project(folder, {**FILES, "build.toml": "new"})
    assert contents(folder) == before
    assert names(tmp_path) == ["project"]


def test_an_interrupt_between_two_renames_leaves_the_earlier_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    write_project(folder, FILES)
    before, rename = contents(folder), Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if target == folder and not path.name.endswith("-old"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_project(folder, {"build.toml": "other"})
    assert contents(folder) == before
    assert names(tmp_path) == ["project"]
