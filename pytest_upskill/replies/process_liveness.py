"""Which processes are alive: each holds a lock on a file of its own, which the system releases however it ends."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

_TOKEN = re.compile(r"\d+-[0-9a-f]{16}")


class ProcessLiveness:
    """This process's mark in ``folder``; ``token`` is its name. Other processes' marks can be looked at.

    Raises OSError where the folder cannot be written. A lock needs no clock, and no number that the system may give
    to somebody else; it works among containers that share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.token, self._descriptor = self._sign_in()

    def is_there(self, token: str) -> bool:
        """True while the process of that name lives. The mark of one that does not is removed.

        A token that we never gave out is that of no process: in a path, it could name any file.
        """
        if token == self.token:
            return True
        if not _TOKEN.fullmatch(token):
            return False
        path = self._folder / token
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:  # another user's, or too many files are open here: it may be alive
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """Removes the marks of processes that have exited."""
        for path in list(self._folder.iterdir()):
            self.is_there(path.name)

    def leave(self) -> None:
        """Takes the mark away."""
        if self._descriptor >= 0:
            (self._folder / self.token).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _sign_in(self) -> tuple[str, int]:
        while True:
            token = f"{os.getpid()}-{secrets.token_hex(8)}"
            path = self._folder / token
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():  # else somebody took it, not yet locked, for that of a dead process
                return token, descriptor
            os.close(descriptor)
