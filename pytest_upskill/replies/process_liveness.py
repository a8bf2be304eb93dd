"""Who is still there: a process holds a lock on a file of its own, and the system lets go of it however it ends."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path


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
        """True while the process of that name lives. The mark of one that does not is removed."""
        if token == self.token:
            return True
        path = self._folder / token
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:  # somebody else's, or too many files are open here: who cannot be looked at may live
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
        """Removes the marks of all who are gone."""
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
