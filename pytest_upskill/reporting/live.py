"""The line that tells how a run is doing while it runs, drawn below pytest's own output. Knows terminals, not pytest.

It is there on a terminal alone: everything that it says is in the summary, too.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_upskill.reporting.text_style import count, duration, money

TICK_SECONDS = 0.25
QUIET_SECONDS = 0.1
"""After pytest was given way, so long nothing is drawn: it is about to write."""

_COLUMNS = 80

# DEC's VT100 sequences. The cursor stays where pytest left it: a line below is made sure of (down, up), the place is
# saved, the line below is written anew, and the place is taken up again.
_ROOM_BELOW = "\x1bD\x1bM"
_LINE_BELOW = "\x1b7\x1b[B\r\x1b[2K"
_BACK = "\x1b8"


@dataclass(frozen=True, slots=True)
class Progress:
    """A run so far, ``seconds`` after its start. ``total`` is the number of items; ``usd`` is None without a price."""

    judged: int
    total: int
    asked: int
    open: int
    builds: int
    tokens: int
    usd: float | None
    seconds: float


def progress_text(progress: Progress) -> str:
    """``12 replies, 4 open | 9 builds | 8 of 48 judged | $0.12 | 2m left``."""
    spent = f"{count(progress.tokens)} tokens" if progress.usd is None else money(progress.usd)
    parts = [
        f"{progress.asked} replies, {progress.open} open",
        f"{progress.builds} builds" if progress.builds else "",
        f"{progress.judged} of {progress.total} judged" if progress.total else f"{progress.judged} judged",
        spent if progress.asked else "",
        _left(progress),
    ]
    return " | ".join(part for part in parts if part)


def _left(progress: Progress) -> str:
    """Judged items so far are the measure of those to come."""
    if not 0 < progress.judged < progress.total:
        return ""
    return f"{duration(progress.seconds / progress.judged * (progress.total - progress.judged))} left"


class LiveLine:
    """Draws what ``text`` says into the terminal behind ``descriptor``, again and again, until it is stopped."""

    def __init__(self, descriptor: int, text: Callable[[], str]) -> None:
        self._descriptor = descriptor
        self._text = text
        self._lock = threading.Lock()
        self._shown = False
        self._quiet_until = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="upskill-live", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give_way(self) -> None:
        """Takes the line away, for pytest is about to write."""
        with self._lock:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            if self._shown:
                self._write(f"{_LINE_BELOW}{_BACK}")
                self._shown = False

    def stop(self) -> None:
        """Takes the line away for good."""
        self._stopped.set()
        self.give_way()

    def draw(self) -> None:
        """Draws the line as it is now, unless pytest is about to write."""
        text = self._text()
        with self._lock:
            if not self._stopped.is_set() and time.monotonic() >= self._quiet_until:
                self._write(f"{_ROOM_BELOW}{_LINE_BELOW}{text[: self._width()]}{_BACK}")
                self._shown = True

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            with contextlib.suppress(Exception):  # a line that nobody needs must not end a run
                self.draw()

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            columns = 0
        return (columns or _COLUMNS) - 1  # some terminals do not know their size

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode("ascii", "replace"))
