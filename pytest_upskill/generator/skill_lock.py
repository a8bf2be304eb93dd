"""Lets one command at a time write to a skill, because two commands would overwrite each other's records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.paths import cache_folder, component

_FOLDER = "skill-locks"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a skill's folder, which need not exist. The lock ends with the process, also after 'kill -9'.

    Raises UsageError if another command holds the lock.
    """
    place = folder.resolve()
    name = f"{component(place.name)}-{hashlib.sha256(str(place).encode(errors='replace')).hexdigest()[:16]}.lock"
    locks = cache_folder() / _FOLDER
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / name)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        remedy = "wait until it has ended, or end it, then run this command again"
        raise UsageError(
            f"another upskill-gen command writes to {shown_path(folder)} at this moment; {remedy}"
        ) from None
    except NotImplementedError:  # the file system has no locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
