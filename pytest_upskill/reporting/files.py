"""Writes a report to its place: a file, which is replaced atomically, or a folder in skill-creator's form."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from pytest_upskill.paths import write_atomically
from pytest_upskill.reporting import FOLDER_MARKER, SKILL_CREATOR, skill_creator
from pytest_upskill.reporting.view import View


def write_report(form: str, path: Path, view: View, text: Callable[[], str]) -> None:
    """Write the report of this form. ``text`` renders a report that is a file. Raises OSError, and what ``text``
    raises.
    """
    if form == SKILL_CREATOR:
        _write_folder(path, view)
    else:
        write_file(path, text())


def write_file(path: Path, text: str) -> None:
    """Replace a file atomically. A path that is not a regular file, such as a device, is written in place. Raises
    OSError.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder is missing")
    if path.exists() and not path.is_file():
        path.write_bytes(_encoded(text))
        return
    try:
        write_atomically(path.resolve(), text)
    except PermissionError:  # no file can be made in the folder, but this file may be writable
        path.write_bytes(_encoded(text))


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _write_folder(folder: Path, view: View) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / FOLDER_MARKER).exists():
        raise FileExistsError(errno.EEXIST, "it holds other files now")
    (folder / FOLDER_MARKER).write_text("Written by pytest-upskill, which replaces the eval-* folders in here.\n")
    for stale in folder.glob(skill_creator.STALE):
        if stale.resolve().is_relative_to(folder.resolve()):
            rmtree(stale)
    made: set[str] = set()
    for relative, text in skill_creator.files(view):  # pathlib would be slower than the disk
        path = os.path.join(folder, relative)  # noqa: PTH118
        _make_folders(os.path.dirname(path), made)  # noqa: PTH120
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _write_all(file, _encoded(text))
        finally:
            os.close(file)


def _make_folders(folder: str, made: set[str]) -> None:
    """Create a folder and its parents, unless they are in ``made``. Created folders are added to ``made``."""
    if folder in made:
        return
    made.add(folder)
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        pass
    except FileNotFoundError:
        _make_folders(os.path.dirname(folder), made)  # noqa: PTH120
        os.mkdir(folder)  # noqa: PTH102
