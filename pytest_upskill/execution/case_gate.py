"""The self-check as students' items see it: no student is queried for a case that is not worth asking."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from pytest_upskill.case_quality.self_check import Checked, SelfCheck, Submit
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.signatures import language_of, signature_of
from pytest_upskill.languages.base import Language
from pytest_upskill.records import ItemKind


def subject_of(case: Case) -> Subject:
    """What the self-check is given of a case. Raises CaseError."""
    return Subject(case, language_of(case), signature_of(case))


class CaseGate:
    """``machine`` finds the one that a language runs on; ``submit`` starts builds in the background.

    ``timeout`` (s) is for each call of a solution.
    """

    def __init__(self, machine: Callable[[Language], Machine], timeout: float, submit: Submit) -> None:
        self._self_check = SelfCheck(machine, timeout)
        self._submit = submit

    def build_ahead(self, tasks: Iterable[Task]) -> None:
        """Starts the builds of solutions whose cases have yet to be checked."""
        for task in filter(is_gated, tasks):
            # A case that is broken says so where its item is run.
            with contextlib.suppress(Exception):
                assert task.case is not None
                self._self_check.send_ahead(subject_of(task.case), self._submit)

    def is_open(self, task: Task) -> bool:
        """Whether it is known without any work that the task's student may be queried."""
        assert task.case is not None
        return not is_gated(task) or self._self_check.is_known_to_be_good(subject_of(task.case))

    def check(self, task: Task) -> None:
        """Raises CaseError for a case that no student should be asked; its own solution is the self-check itself."""
        assert task.case is not None
        if is_gated(task):
            problem = self._self_check.quality(subject_of(task.case)).problem
            if problem is not None:
                raise CaseError(f"not asked, because the case fails its self-check: {problem}", task.case.path)

    def whole(self, case: Case) -> Checked:
        """Everything that the self-check finds. Raises CaseError, InfrastructureError."""
        return self._self_check.whole(subject_of(case))


def is_gated(task: Task) -> bool:
    """Whether a student is asked for a kernel."""
    return task.kind is ItemKind.KERNEL and task.student != "golden"
