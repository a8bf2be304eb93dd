"""The progress of a run on a terminal: the live line, and messages while servers start."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_upskill.reporting.live import LiveLine, progress_text
from pytest_upskill.session.run import Run
from pytest_upskill.skills.skill import FILE_NAMES


def start(run: Run, config: pytest.Config) -> None:
    """Registers the live line if students are queried and a person watches."""
    if not (run.asks and is_watched(config, os.environ)):
        return
    try:
        descriptor = os.dup(1)  # pytest's capture takes over the number 1 while items run
    except OSError:
        return
    config.pluginmanager.register(LiveSide(run, descriptor), "upskill-live")


def is_watched(config: pytest.Config, environment: Mapping[str, str]) -> bool:
    """True on a real terminal that only pytest writes to: no pipe, no CI, neither ``-q`` nor ``-s``."""
    quiet = config.option.verbose < 0 or config.option.capture == "no" or config.option.collectonly
    plain = environment.get("TERM", "dumb") == "dumb" or any(environment.get(name) for name in ("CI", "BUILD_NUMBER"))
    return not quiet and not plain and os.isatty(1)


class LiveSide:
    """Counts judged items, and erases the live line whenever pytest writes."""

    def __init__(self, run: Run, descriptor: int) -> None:
        self._run = run
        self._descriptor = descriptor
        self._line = LiveLine(descriptor, self._text)
        self._judged: set[str] = set()
        self._total = 0
        self._started = time.monotonic()
        self._priced = any(config.price for config in run.configs.values())

    @pytest.hookimpl(tryfirst=True)
    def give_way(self) -> None:
        """Erases the line before anything else is written."""
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
        """An xdist hook: every worker collects the same."""
        self._begin(ids)

    def _begin(self, ids: list[str]) -> None:
        ours = [name for name in ids if Path(name.partition("::")[0]).name in FILE_NAMES]
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
        """Erases the line; it is not drawn again."""
        self._line.stop()

    pytest_keyboard_interrupt = pytest_sessionfinish = stop

    def pytest_unconfigure(self) -> None:
        self._line.stop()
        os.close(self._descriptor)


class Teller:
    """Prints a line at once, from any thread, also while pytest captures output."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._column = 0
        """The length of pytest's own line when we last wrote; our line ended with a line end."""
        self._output: int | None = None
        with contextlib.suppress(OSError):
            self._output = os.dup(1)

    def tell(self, line: str) -> None:
        if self._output is None:
            return
        if (live := self._config.pluginmanager.get_plugin("upskill-live")) is not None:
            live.give_way()
        column = self._config.get_terminal_writer().width_of_current_line
        before = "\n" if column not in (0, self._column) else ""
        self._column = column
        with contextlib.suppress(OSError):
            os.write(self._output, f"{before}upskill serve: {line}\n".encode())
