"""Ctrl-C and SIGTERM: the run ends with status 2, prints one line, and keeps all replies that are complete.

In some places, an exception prints a traceback, is lost, or leaves a half-imported module. If a signal arrives there,
the process sends it to itself again a little later. If the run is ending already, the summary is still written, and
only the status changes. A second signal, a second later, ends the process at once.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import pytest

from pytest_upskill.oracle.signal_handlers import would_be_lost

_LATER_SECONDS = 0.02
_LATEST_SECONDS = 30.0
_SECOND_SECONDS = 1.0
TEXT = "complete replies are kept; the same command continues"


class Interrupted(KeyboardInterrupt):
    """Raised by the signal handler. pytest shows its message in one line."""


Interrupted.__module__ = "builtins"


class Interrupts:
    """The signal handlers of a process, from the time at which our plugin is loaded. ``hurry`` ends the waits of
    a run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._phase = "starting"
        self._first: float | None = None
        self._since: float | None = None
        self._sent_again = False
        self._shown = False
        self._before: dict[int, Any] = {}
        self.hurry: Callable[[], object] = lambda: None
        self.is_worker = False

    @classmethod
    def of(cls, config: pytest.Config) -> Interrupts:
        """Return the handlers of this run. Install them on the first call."""
        if (found := config.stash.get(_KEY, None)) is None:
            found = config.stash[_KEY] = cls(config)
            found._install()
        return found

    def _install(self) -> None:
        """Handle both signals, unless the program handles them, or this run is part of another run in this process."""
        own = self._config.pluginmanager.has_plugin("session")
        nested = _callers(sys._getframe()).count("wrap_session") > own
        if nested or threading.current_thread() is not threading.main_thread():
            return
        for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            if signal.getsignal(number) is usual:
                self._before[number] = signal.signal(number, self._arrived)
        self._config.pluginmanager.register(self, "upskill-interrupts")

    def started(self, is_worker: bool, hurry: Callable[[], object]) -> None:
        """Note that ``pytest`` now handles what the signal handler raises, and that ``hurry`` can be called."""
        self.is_worker, self.hurry = is_worker, hurry
        if is_worker:  # the controller started this worker with SIGINT blocked
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        self._phase = "running"

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Generator[None]:
        """Start xdist's workers with SIGINT blocked, because SIGINT would print a traceback while a worker imports
        modules.
        """
        has_workers = self._config.pluginmanager.has_plugin("dsession")
        if has_workers:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            if has_workers:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def pytest_keyboard_interrupt(self) -> None:
        self._shown = self._config.pluginmanager.has_plugin("terminalreporter")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        self._phase = "ending"
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        session = self._config.pluginmanager.get_plugin("session")
        if self._first is not None and session is not None:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        if self._first is not None and not (self._shown or self.is_worker):
            self._show()
        self._phase = "over"
        if not self.is_worker and not {"console_main", "_console_main"} & set(_callers(sys._getframe())):
            for number, before in self._before.items():  # the process continues after the run
                signal.signal(number, before)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        again, self._sent_again = self._sent_again, False
        now = time.monotonic()
        if self._first is not None or self._phase == "over":
            if self._phase == "over" and not (self._shown or self.is_worker):
                self._show()
            if self._phase == "over" or now - (self._first or now) > _SECOND_SECONDS:
                self._exit()
            return
        insists = self._since is not None and not again
        self._since = self._since or now
        late = insists or now - self._since > _LATEST_SECONDS
        if self._phase == "running" and not late and _is_unsafe(frame):
            _thread.start_new_thread(self._send_again, (number,))  # this thread may hold threading's locks
            return
        self._first = now
        if self._phase == "starting":
            self._show()
            self._exit()
        if self._phase == "ending":
            self.hurry()
            return
        self._phase = "ending"
        if (session := self._config.pluginmanager.get_plugin("session")) is not None:
            session.shouldstop = TEXT  # ends the run even if the exception is lost
        raise Interrupted(TEXT)

    def _send_again(self, number: int) -> None:
        time.sleep(_LATER_SECONDS)
        self._sent_again = True
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _show(self) -> None:
        """Write the line that pytest would have written."""
        with contextlib.suppress(Exception):
            if (capture := self._config.pluginmanager.get_plugin("capturemanager")) is not None:
                capture.suspend_global_capture(in_=True)
        with contextlib.suppress(OSError):
            os.write(2, f"Interrupted: {TEXT}\n".encode())
        self._shown = True

    def _exit(self) -> None:
        if self.is_worker and self._phase == "over":
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(pytest.ExitCode.INTERRUPTED)


_KEY = pytest.StashKey[Interrupts]()


def _callers(frame: FrameType | None) -> list[str]:
    """Return the names of the functions that are being executed, the innermost first."""
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def _is_unsafe(frame: FrameType | None) -> bool:
    """Return whether an exception must not be raised in this frame.

    It must not be raised in an import, where it would leave a half-imported module, where Python ignores exceptions, or
    where pytest does not expect one.
    """
    if frame is not None and frame.f_code.co_name == "wrap_session":
        return True
    if would_be_lost(frame):
        return True
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
