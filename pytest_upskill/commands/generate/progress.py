"""Progress on stderr: a line for each step and, on a terminal, a bar below the lines."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from pytest_upskill.generator.writing import WITHDRAWN
from pytest_upskill.reporting.text_style import can_show, printable

_DONE = ("kept", "is there already")


class Progress:
    """Shows the progress of a command. Once ``expect`` was called with the number of cases, a bar counts the proven
    ones.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=console, transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def expect(self, cases: int) -> None:
        """Show a bar for this number of cases."""
        if self._bar is not None:
            self._task = self._bar.add_task("proven cases", total=cases)

    def say(self, step: str, what: str) -> None:
        """Print what has happened to a step."""
        if self._task is not None and step.startswith("case-"):
            self._bar.advance(self._task, what.startswith(_DONE) - (what == WITHDRAWN))
        self.line(f"{time.monotonic() - self._began:6.1f} s  {step}: {what}")

    def line(self, text: str) -> None:
        """Print one line. Control sequences in ``text`` are removed."""
        shown = printable(" ".join(text.split("\n")))
        if not can_show(sys.stderr.encoding):
            shown = shown.encode("ascii", "replace").decode("ascii")
        if self._bar is None:
            print(shown, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(shown, markup=False, highlight=False, soft_wrap=True)
