"""Runs pytest and sends SIGINT to it at one point of the main thread: ``python interrupting.py POINT ARGUMENTS``.

``POINT`` is a number of function calls, counted from when the plugin has its handlers, or ``NAME:N``, the N-th call of
functions of that name: steps, unlike seconds, do not depend on how busy the machine is. The time of the signal is
written to the file that INTERRUPTING names. ``count`` writes the calls instead: until items are run, until the session
ends, and in total. With ``-n2`` the signal goes to the process group, as from a terminal.
"""

from __future__ import annotations

import _thread
import atexit
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

MARKS = ("pytest_runtestloop", "pytest_sessionfinish")


class Calls:
    """Counts calls, and interrupts at one of them."""

    def __init__(self, point: str) -> None:
        name, _, number = point.rpartition(":")
        self.name, self.number = name, int(number) if number.isdigit() else 0
        self.count = 0
        self.marks: dict[str, int] = {}
        self.counting = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        if not self.counting:
            self.counting = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            return
        called = frame.f_code.co_name
        if called in MARKS:
            self.marks.setdefault(called, self.count)
        self.count += not self.name or called == self.name
        if self.count == self.number:
            self.count += 1
            write(time.monotonic())
            send = os.killpg if "-n2" in sys.argv else os.kill
            _thread.start_new_thread(send, (os.getpid(), signal.SIGINT))


def write(*numbers: float) -> None:
    Path(os.environ["INTERRUPTING"]).write_text(" ".join(map(str, numbers)), encoding="ascii")


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    point = sys.argv.pop(1)
    sys.argv[0] = "pytest"
    calls = Calls(point)
    if point == "count":
        atexit.register(lambda: write(*(calls.marks.get(mark, 0) for mark in MARKS), calls.count))
    sys.setprofile(calls)
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
