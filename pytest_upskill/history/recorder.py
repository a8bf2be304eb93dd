"""Records a run while it goes on: in the history, or in a side file if the history cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.history.side_file import SideFile
from pytest_upskill.history.store import PATIENCE, History
from pytest_upskill.records import Outcome, RunInfo


class Recorder:
    """Records a run of ``root``. ``info`` returns what is known about the run so far. Nothing is created before
    ``add``.

    An error does not end the run. ``problem`` says what went wrong, and where the results are.
    """

    def __init__(self, root: Path, info: Callable[[], RunInfo], patience: float = PATIENCE) -> None:
        self._root, self._info, self._patience = root, info, patience
        self._outcomes: dict[str, Outcome] = {}
        """The items that are not in the history yet. If there is a side file, all items of the run."""
        self._added: list[Outcome] = []
        self._side_file: SideFile | None = None
        self._cause = ""
        self.history: History | None = None
        self.number = 0
        """The run's number in the history; 0 if the run is not in the history."""

    @property
    def problem(self) -> str:
        """Return what went wrong, and where the results are; empty if the history has the results."""
        if self._side_file is None:
            return ""
        if (path := self._side_file.path) is None:
            return f"{self._cause}; nor can a file be written ({self._side_file.problem}): this run is not recorded"
        return f"{self._cause}. This run is recorded in {path}; pytest-upskill runs --import={path} adds it later"

    def add(self, outcome: Outcome) -> None:
        """Record an item that has finished."""
        self._added.append(outcome)
        self._outcomes[outcome.id] = outcome
        if self._side_file is not None:
            self._side_file.add(outcome)
        else:
            self._attempt(lambda: self._enter(self._info))

    def finish(self, info: RunInfo) -> None:
        """Record what is known about the run at its end, and any item whose recording was interrupted."""
        if not self._added:
            return
        if self._side_file is None:
            self._attempt(lambda: self._finish(info))
        if self._side_file is not None:
            self._side_file.finish(info)

    def close(self) -> None:
        """Close the history."""
        if self.history is not None:
            self.history.close()

    def _enter(self, info: Callable[[], RunInfo]) -> History:
        if self.history is None:
            self.history = History(self._root, self._patience)
        if not self.number:
            self.number = self.history.begin(info())
        if self._outcomes:
            self.history.add(self.number, list(self._outcomes.values()))
            self._outcomes.clear()
        return self.history

    def _finish(self, info: RunInfo) -> None:
        self._enter(lambda: info).finish(self.number, info)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (InfrastructureError, ValueError) as error:
            self._cause, self.number = str(error), 0
            self._side_file = SideFile(self._root, self._info(), self._added)
