"""Identifies the code that the result of a self-check depends on."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pytest_upskill.build.cache import key_of

PACKAGE = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+pytest_upskill\.(\w+)", re.MULTILINE)


@functools.cache
def code_digest(package: Path = PACKAGE) -> str:
    """A digest of all files that ``code_files`` finds."""
    return key_of(
        *(part for file in code_files(package) for part in (str(file.relative_to(package)), file.read_bytes()))
    )


def code_files(package: Path = PACKAGE) -> list[Path]:
    """Every file of ``case_quality``, and of all packages and modules that it imports, directly or not.

    Whole packages: languages are imported by name, workers are started as programs, and native sources are compiled.
    """
    found: dict[str, list[Path]] = {}
    waiting = {"case_quality"}
    while waiting:
        name = waiting.pop()
        files = (package / name).rglob("*") if (package / name).is_dir() else [package / f"{name}.py"]
        found[name] = [file for file in files if file.is_file() and file.suffix != ".pyc"]
        imported = (_IMPORT.findall(file.read_bytes()) for file in found[name] if file.suffix == ".py")
        waiting |= {name.decode() for names in imported for name in names} - found.keys()
    return sorted(file for files in found.values() for file in files)
