"""The file that gets a run's results if the history cannot be used: lines of JSON, each flushed when it is written.

The first line describes the run. Each further line is an item, or describes the run again when more is known about it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pytest_upskill.paths import HOME
from pytest_upskill.records import Outcome, RunInfo

FORMAT = 1
SUFFIX = ".jsonl"


class SideFile:
    """A new side file with these items, in ``.upskill``, or in the system's folder of temporary files if that fails.

    ``path`` is None if neither folder can be written; ``problem`` says why.
    """

    def __init__(self, root: Path, info: RunInfo, outcomes: Sequence[Outcome]) -> None:
        self._folders = [root / HOME, Path(tempfile.gettempdir())]
        self._name = f"run-{info.session}{SUFFIX}"
        self._lines = [{"upskill_run": FORMAT, "info": info.to_plain()}]
        self._lines += [{"item": outcome.to_plain()} for outcome in outcomes]
        self._file: IO[str] | None = None
        self.path: Path | None = None
        self.problem = ""
        self._write_to_next_folder()

    def add(self, outcome: Outcome) -> None:
        """Append an item."""
        self._append({"item": outcome.to_plain()})

    def finish(self, info: RunInfo) -> None:
        """Append what is known about the run as a whole, and close the file."""
        self._append({"info": info.to_plain()})
        if self._file is not None:
            self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(line)
        try:
            if self._file is not None:
                self._write(self._file, line)
        except OSError as error:
            self.problem = str(error)
            self._write_to_next_folder()

    def _write_to_next_folder(self) -> None:
        self._file = self.path = None
        while self._folders and self._file is None:
            path = self._folders.pop(0) / self._name
            try:
                self._file = path.open("w", encoding="utf-8")
                for line in self._lines:
                    self._write(self._file, line)
                self.path = path
            except OSError as error:
                self.problem, self._file = str(error), None

    @staticmethod
    def _write(file: IO[str], line: dict[str, Any]) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()
