"""Folders where runs keep things, names of files in them, and atomic writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill import paths


def test_the_cache_folder_comes_from_the_environment_else_from_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UPSKILL_CACHE_DIR", str(tmp_path / "chosen"))
    assert paths.cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("UPSKILL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_folder() == tmp_path / "pytest-upskill"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("rms_norm", "rms_norm"), ("größe 2", "größe 2"), ("a/b", "a-b"), ("a\\b\x00c", "a-b-c"), ("..", "__"),
        (".hidden", "_hidden"), ("", "_"),
    ],
)  # fmt: skip
def test_names_that_are_file_names_stay_as_they_are(name: str, safe: str) -> None:
    assert paths.component(name) == safe


def test_a_writer_that_fails_leaves_neither_the_file_nor_a_remainder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        paths.write_atomically(tmp_path / "reply.md", "a")
    assert list(tmp_path.iterdir()) == []


def test_line_ends_are_written_as_they_are(tmp_path: Path) -> None:
    paths.write_atomically(tmp_path / "new" / "reply.md", "a\r\nb\n")
    assert (tmp_path / "new" / "reply.md").read_bytes() == b"a\r\nb\n"
