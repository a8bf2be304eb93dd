"""Messages about stored replies that cannot be used, until somebody shows them. Knows no files."""

from __future__ import annotations

import threading


class ProblemLog:
    """Takes each message once, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._new: list[str] = []

    def add(self, message: str) -> None:
        """Adds a message, unless it was added before."""
        with self._lock:
            if message not in self._known:
                self._known.add(message)
                self._new.append(message)

    def take(self) -> list[str]:
        """The messages that were added since the last call, in order."""
        with self._lock:
            new, self._new = self._new, []
            return new
