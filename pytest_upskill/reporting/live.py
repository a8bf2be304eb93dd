"""The live line: a run's progress, drawn below pytest's own output on a terminal.

rich's live displays are not used, because they redraw from the start of the cursor's line, where pytest prints its
dots.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable

from pytest_upskill.replies.ledger import Totals
from pytest_upskill.reporting.text_style import count, duration, money

TICK_SECONDS = 0.25
QUIET_SECONDS = 0.1
"""Seconds after ``give_way`` in which nothing is drawn, because pytest is about to write."""

_COLUMNS = 80

# DEC's VT100 sequences. The cursor stays where pytest left it: scroll if there is no line below (down, up), save the
# position, write the line below, restore the position.
_ROOM_BELOW = "\x1bD\x1bM"
_LINE_BELOW = "\x1b7\x1b[B\r\x1b[2K"
_BACK = "\x1b8"


def progress_text(judged: int, total: int, totals: Totals, priced: bool, seconds: float) -> str:
    """Return a text such as ``8/48 judged, 12 replies, 4 pending, 9 builds, $0.12, 2m00s left``.

    ``seconds`` is the time since the start of the run, and ``total`` the number of the run's items. If no student is
    ``priced``, the number of tokens is shown instead of the cost.
    """
    spent = money(totals.usd) if priced else f"{count(totals.tokens)} tokens"
    parts = [
        f"{judged}/{total} judged",
        f"{totals.asked} replies",
        f"{totals.open} pending" if totals.open else "",
        f"{totals.builds} builds" if totals.builds else "",
        spent if totals.asked else "",
        f"{duration(seconds / judged * (total - judged))} left" if 0 < judged < total else "",
    ]
    return ", ".join(filter(None, parts))


class LiveLine:
    """Draws the result of ``text`` on the terminal behind ``descriptor`` every TICK_SECONDS, until it is stopped."""

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
        """Erase the line, because pytest is about to write."""
        with self._lock:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            if self._shown:
                self._write(f"{_LINE_BELOW}{_BACK}")
                self._shown = False

    def stop(self) -> None:
        """Erase the line, and do not draw it again."""
        self._stopped.set()
        self.give_way()

    def draw(self) -> None:
        """Draw the line, unless pytest is about to write."""
        text = self._text()
        with self._lock:
            if not self._stopped.is_set() and time.monotonic() >= self._quiet_until:
                self._write(f"{_ROOM_BELOW}{_LINE_BELOW}{text[: self._width()]}{_BACK}")
                self._shown = True

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            with contextlib.suppress(Exception):  # an error in the live line must not end a run
                self.draw()

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            columns = 0
        return (columns or _COLUMNS) - 1  # some terminals report no size

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode("ascii", "replace"))
