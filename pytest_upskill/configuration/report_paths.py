"""Checks that reports can be written, before a run starts."""

from __future__ import annotations

from pathlib import Path

from pytest_upskill.errors import UsageError


def check_writable(path: Path) -> None:
    """Raises UsageError if the report cannot be written, before anything runs."""
    if path.is_dir():
        raise UsageError(f"--upskill-report: {path} is a folder; name a file in it, such as {path / 'report.json'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        path.open("a").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"--upskill-report: {path} cannot be written ({error.strerror}); name a file where you may write"
        ) from None
