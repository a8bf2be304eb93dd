"""Finds out which processes are alive: each locks its own file, and the system releases the lock when the
process ends.
"""

import os
import re
import secrets
from pathlib import Path

from filelock import FileLock, Timeout

_TOKEN = re.compile(r"\d+-[0-9a-f]{16}")


class ProcessLiveness:
    """This process's lock file in ``folder``. ``token`` is the file's name. Raises OSError if the file cannot be
    written.

    A lock depends neither on a clock nor on a process id, which the system may reuse. It also works among containers
    that share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.token = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._lock = FileLock(folder / self.token, thread_local=False)
        self._lock.acquire()

    def is_alive(self, token: str) -> bool:
        """Return whether the process with this token is alive. If it is not, remove its file.

        A token of another form belongs to no process. It is not used as a path, because it could then name any file.
        """
        if token == self.token:
            return True
        path = self._folder / token
        if not _TOKEN.fullmatch(token) or not path.exists():
            return False
        try:
            with FileLock(path, blocking=False):
                path.unlink(missing_ok=True)
        except (Timeout, OSError):  # a file that cannot be opened (another user's, EMFILE) may belong to a live process
            return True
        return False

    def sweep(self) -> None:
        """Remove the files of processes that have exited."""
        for path in list(self._folder.iterdir()):
            self.is_alive(path.name)

    def leave(self) -> None:
        """Remove this process's file."""
        (self._folder / self.token).unlink(missing_ok=True)
        self._lock.release()
