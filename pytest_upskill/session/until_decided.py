"""``--upskill-until-decided``: finds out which items no gate needs any more.

All processes of a run share a file of results.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pytest_upskill.execution.task import Task
from pytest_upskill.paths import home
from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.records.gating import Gate, GateKind, Gates
from pytest_upskill.reporting.gates import Arms
from pytest_upskill.reporting.lift import DECIDED
from pytest_upskill.skills import arms

_Group = tuple[str, str]
"""A skill and a student."""


class UntilDecided:
    """Collects verdicts, and says why an item need not be asked any more.

    Only gates on rates and lifts can end the asking early, because further replies can neither repair a regression nor
    lower a cost.
    """

    def __init__(self, gates: Gates, path: Path) -> None:
        self._gates, self._path = gates, path
        self._planned: dict[_Group, dict[str, Counter[str]]] = {}
        self._trials: dict[_Group, dict[str, dict[str, list[bool]]]] = {}
        self._decided: dict[_Group, str] = {}
        self._number = 0
        self._read = 0
        """How many bytes of the file were read."""
        self._looked: dict[_Group, int] = {}
        """How many bytes of the file had been read when a group was last examined."""

    def plan(self, tasks: Iterable[Task]) -> None:
        """Count the collected items of each group."""
        groups: dict[_Group, tuple[Gate, ...]] = {}
        for task in tasks:
            if task.kind in (ItemKind.KERNEL, ItemKind.TEXT) and task.case and task.student:
                group = (task.skill, task.student)
                groups.setdefault(group, self._on(task))
                cases = self._planned.setdefault(group, {}).setdefault(arms.slug(task.arm or ""), Counter())
                cases[task.case.name] += 1
        self._number = sum(map(len, groups.values()))

    def _on(self, task: Task) -> tuple[Gate, ...]:
        kinds = (GateKind.MIN_PASS_RATE, GateKind.MIN_LIFT)
        return tuple(gate for gate in self._gates.of(task.skill, task.id) if gate.kind in kinds)

    def reason(self, task: Task) -> str:
        """Return why the item need not be asked; empty if it must be asked."""
        group = (task.skill, task.student or "")
        if task.kind is ItemKind.TRIGGER:  # no gate is about choices of skills
            return ""
        if group not in self._planned or any(gate.kind is GateKind.NO_REGRESSION
                                             for gate in self._gates.of(task.skill, task.id)):  # fmt: skip
            return ""
        self._receive()
        if group not in self._decided and self._looked.get(group, 0) < self._read and (gates := self._on(task)):
            self._looked[group] = self._read
            found = Arms(self._trials.get(group, {}), self._planned[group])
            stops = [(gate, found.stop(gate, self._gates.interval, self._number)) for gate in gates]
            said = [f"{gate}: {stop.verdict}, {stop.reason}" for gate, stop in stops if stop]
            if len(said) == len(stops):
                self._decided[group] = "; ".join(said)
        return self._decided.get(group, "")

    def note(self, outcome: Outcome) -> None:
        """Enter the result of an item into the file, for all processes."""
        if outcome.student is None or outcome.arm is None or outcome.verdict.kind is VerdictKind.NOT_NEEDED:
            return
        passed = outcome.verdict.kind is VerdictKind.PASSED if outcome.verdict.kind in DECIDED else None
        row = [outcome.skill, outcome.student, outcome.arm, outcome.case, passed]
        home(self._path.parent.parent)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps(row) + "\n").encode())  # a single write is appended as a whole
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _receive(self) -> None:
        """Read the results that were entered since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                found = file.read()
        except FileNotFoundError:
            return
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            skill, student, arm, case, passed = json.loads(line)
            if passed is None:  # the item ended without a verdict, and no reply will follow
                self._planned.get((skill, student), {}).get(arm, Counter())[case] -= 1
            else:
                self._trials.setdefault((skill, student), {}).setdefault(arm, {}).setdefault(case, []).append(passed)
