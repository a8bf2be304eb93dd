"""Writes a project to a folder. Writes all of it or nothing, and replaces no folder that is not an export of ours."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from pytest_upskill.errors import InfrastructureError, UsageError, shown_path

MARKER = ".upskill-export.json"
"""The file in an exported project that has a hash of each of the project's other files."""
_MADE = {"build", "result", "__pycache__", ".pytest_cache"}
"""Folders that builds and tests add to a project."""


def write_project(folder: Path, files: Mapping[str, str]) -> bool:
    """Write a project. Returns False if the folder has exactly these files already. If a file has changed, builds in
    the folder are removed.

    Raises UsageError if the folder is not an export of ours, or was changed since the export; InfrastructureError if it
    cannot be written. After an error the folder is as it was before.
    """
    encoded = {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(encoded.items())}
    if (folder.is_symlink() or folder.exists()) and _known(folder) == hashes:
        return False
    encoded[MARKER] = f"{json.dumps({'files': hashes}, indent=1)}\n".encode()
    fresh = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")
    gone = fresh.with_name(f"{fresh.name}-old")
    try:
        for path, data in encoded.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        if folder.exists():
            folder.rename(gone)
        fresh.rename(folder)
    except OSError as error:
        rule = "name a folder where you may write, or free some space"
        raise InfrastructureError(
            f"{shown_path(folder)} cannot be written: {error.strerror or error}; {rule}"
        ) from error
    finally:
        if gone.exists() and not folder.exists():  # also after Ctrl-C
            gone.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(gone, ignore_errors=True)
    return True


def _known(folder: Path) -> dict[str, str]:
    """The hashes of the files of an unchanged export of ours. Raises UsageError for any other folder."""
    next_step = "name another folder, or move this one away"
    if not folder.is_dir() or folder.is_symlink():
        raise UsageError(f"{shown_path(folder)} exists and is not a folder; {next_step}")
    try:
        hashes = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
        found = {str(path): str(value) for path, value in hashes.items()}
    except FileNotFoundError:
        raise UsageError(f"{shown_path(folder)} exists and was not exported by pytest-upskill; {next_step}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{shown_path(folder / MARKER)} cannot be read; {next_step}") from None
    for path, value in found.items():
        try:
            same = hashlib.sha256((folder / path).read_bytes()).hexdigest() == value
        except OSError:
            same = False
        if not same:
            raise UsageError(f"{shown_path(folder / path)} has changed since it was exported; {next_step}")
    for one in sorted(folder.rglob("*")):
        name = one.relative_to(folder).as_posix()
        if one.is_dir() or name in found or name == MARKER or _MADE.intersection(name.split("/")):
            continue
        raise UsageError(f"{shown_path(one)} was added to an exported project; {next_step}")
    return found
