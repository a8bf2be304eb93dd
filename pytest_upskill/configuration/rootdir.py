"""Finds pytest's rootdir for a path without pytest. The rootdir's folder ``.upskill`` holds the stored replies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_SECTIONS = {
    "pytest.ini": "", ".pytest.ini": "", "pytest.toml": "", ".pytest.toml": "", "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]", "setup.cfg": "[tool:pytest]",
}  # fmt: skip
"""The files that can configure pytest. Each counts only if it contains the given text."""


def rootdir_of(path: Path, invocation_dir: Path) -> Path:
    """Return the rootdir of ``pytest PATH`` in ``invocation_dir``, by the rules in pytest's documentation."""
    start = path.absolute() if path.is_dir() else path.absolute().parent
    upwards = (start, *start.parents)
    for found in (_configured(upwards), _having("pyproject.toml", upwards), _having("setup.py", upwards)):
        if (folder := next(found, None)) is not None:
            return folder
    common = Path(os.path.commonpath([start, invocation_dir]))
    return start if common == common.parent else common


def _configured(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        for name, section in _SECTIONS.items():
            try:
                if section in (folder / name).read_text(encoding="utf-8", errors="replace"):
                    yield folder
            except OSError:
                continue


def _having(name: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    return (folder for folder in folders if (folder / name).is_file())
