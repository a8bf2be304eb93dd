"""The progress of a run: the live line on a terminal, messages while servers start, and what a run waits for."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_upskill.reporting.live import LiveLine, progress_text
from pytest_upskill.session.run import Run
from pytest_upskill.skills.skill import FILE_NAMES

WAIT_SECONDS = 15.0
AGAIN_SECONDS = 60.0
CHECK_SECONDS = 1.0


def start(run: Run, config: pytest.Config) -> None:
    """Register the live line if students are queried and a person watches the terminal."""
    if not (run.asks and is_watched(config, os.environ)) or config.pluginmanager.has_plugin("sugar"):
        return  # pytest-sugar draws its own line
    try:
        descriptor = os.dup(1)  # a copy, because pytest's capture replaces descriptor 1 while items run
    except OSError:
        return
    config.pluginmanager.register(LiveSide(run, descriptor), "upskill-live")


def is_watched(config: pytest.Config, environment: Mapping[str, str]) -> bool:
    """Return whether stdout is a terminal that only pytest writes to, without CI, ``-q`` and ``-s``."""
    quiet = config.option.verbose < 0 or config.option.capture == "no" or config.option.collectonly
    plain = environment.get("TERM", "dumb") == "dumb" or any(environment.get(name) for name in ("CI", "BUILD_NUMBER"))
    return not quiet and not plain and os.isatty(1)


def is_item_of_ours(nodeid: str) -> bool:
    """Return whether an id is that of a skill's item."""
    return Path(nodeid.partition("::")[0]).name in FILE_NAMES


class LiveSide:
    """Counts judged items, and erases the live line whenever pytest writes."""

    def __init__(self, run: Run, descriptor: int) -> None:
        self._run = run
        self._descriptor = descriptor
        self._line = LiveLine(descriptor, self._text)
        self._judged: set[str] = set()
        self._total = 0
        self._started = time.monotonic()
        self._priced = any(config.price for config in run.models.values())

    @pytest.hookimpl(tryfirst=True)
    def give_way(self) -> None:
        """Erase the line before anything else is written."""
        self._line.give_way()

    pytest_runtest_logstart = pytest_runtest_logfinish = pytest_warning_recorded = give_way

    def _text(self) -> str:
        seconds = time.monotonic() - self._started
        return progress_text(len(self._judged), self._total, self._run.totals, self._priced, seconds)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._begin([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Count the items. Under xdist, every worker collects the same items."""
        self._begin(ids)

    def _begin(self, ids: list[str]) -> None:
        ours = list(filter(is_item_of_ours, ids))
        if ours and not self._total:
            self._total = len(ours)
            self._line.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._line.give_way()
        if getattr(report, "upskill", None):
            self._judged.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def stop(self) -> None:
        """Erase the line, and do not draw it again."""
        self._line.stop()

    pytest_keyboard_interrupt = pytest_sessionfinish = stop

    def pytest_unconfigure(self) -> None:
        self._line.stop()
        os.close(self._descriptor)


class WaitSide:
    """Says what a run waits for, when an item has had no result for WAIT_SECONDS, and then every AGAIN_SECONDS.

    ``clock`` returns seconds since 1970.
    """

    def __init__(self, run: Run, teller: Teller, clock: Callable[[], float] = time.time) -> None:
        self._run, self._teller, self._clock = run, teller, clock
        self._running: dict[str, float] = {}
        """By item, when the item was started."""
        self._due: dict[str, float] = {}
        """By item, when the next message about the item is due."""
        self._asked: dict[str, float] = {}
        """By question, when the question was first seen to be open."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="upskill-waits", daemon=True)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if not is_item_of_ours(nodeid):
            return
        self._running[nodeid] = self._clock()
        self._due[nodeid] = self._clock() + WAIT_SECONDS
        if self._thread.ident is None:
            self._thread.start()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)

    def pytest_sessionfinish(self) -> None:
        self._stopped.set()

    pytest_keyboard_interrupt = pytest_unconfigure = pytest_sessionfinish

    def _tick(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            with contextlib.suppress(Exception):  # an error in a message must not end a run
                self.check()

    def check(self) -> None:
        """Print a line if one is due."""
        now, students = self._clock(), self._run.open_questions()
        self._asked = {key: self._asked.get(key, now) for key in students}
        waiting = {name: since for name, since in list(self._running.items()) if now >= self._due[name]}
        if not waiting:
            return
        self._due |= dict.fromkeys(waiting, now + AGAIN_SECONDS)
        name = min(waiting, key=lambda name: waiting[name])
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        since = f"since {_time_of_day(waiting[name])}, {now - waiting[name]:.0f} s"
        what = "; ".join(self._open(students)) or "no reply is pending: its kernel is compiled or judged"
        end = "Ctrl-C ends the run and keeps the replies that are complete"
        self._teller.tell(f"{name}{more} ({since}); {what}; {end}", "waits for")

    def _open(self, students: Mapping[str, str]) -> Iterator[str]:
        """Yield, for each student, how many questions have no reply yet, in words."""
        for student in sorted(set(students.values())):
            times = [self._asked[key] for key, name in students.items() if name == student]
            timeout = self._run.models[student].timeout
            replies = "1 reply" if len(times) == 1 else f"{len(times)} replies"
            until = f"until {_time_of_day(min(times) + timeout)} (its timeout of {timeout:g} s)"
            yield f"{replies} of {student} pending, asked at {_time_of_day(min(times))}, {until}"


def _time_of_day(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class Teller:
    """Prints a line at once, from any thread, even while pytest captures output."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._column = 0
        """The length of pytest's own line when we last wrote. If it has not changed, the cursor is at the start of a
        line.
        """
        self._output: int | None = None
        with contextlib.suppress(OSError):
            self._output = os.dup(1)

    def tell(self, line: str, about: str = "serve:") -> None:
        if self._output is None:
            return
        if (live := self._config.pluginmanager.get_plugin("upskill-live")) is not None:
            live.give_way()
        column = self._config.get_terminal_writer().width_of_current_line
        before = "\n" if column not in (0, self._column) else ""
        self._column = column
        with contextlib.suppress(OSError):
            os.write(self._output, f"{before}upskill {about} {line}\n".encode())
