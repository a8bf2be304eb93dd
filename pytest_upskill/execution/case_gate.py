"""Applies the self-check to students' items: no student is queried for a case that fails it."""

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


def subject_of(case: Case | None) -> Subject:
    """The self-check's input for a case. Raises CaseError."""
    assert case is not None
    return Subject(case, language_of(case), signature_of(case))


class CaseGate:
    """``machine`` finds the one that a language runs on; ``submit`` starts builds in the background; ``timeout`` (s) is
    for each call of a solution.
    """

    def __init__(self, machine: Callable[[Language], Machine], timeout: float, submit: Submit) -> None:
        self._self_check = SelfCheck(machine, timeout)
        self._submit = submit

    def build_ahead(self, tasks: Iterable[Task]) -> None:
        """Starts the builds of solutions whose cases have yet to be checked."""
        for task in filter(_is_gated, tasks):
            with contextlib.suppress(Exception):  # raised again where the item is run
                self._self_check.send_ahead(subject_of(task.case), self._submit)

    def is_open(self, task: Task) -> bool:
        """Whether it is known already that the task's student may be queried."""
        return not _is_gated(task) or self._self_check.is_known_to_be_good(subject_of(task.case))

    def check(self, task: Task) -> None:
        """Raises CaseError for a case that fails its self-check."""
        if _is_gated(task):
            subject = subject_of(task.case)
            problem = self._self_check.quality(subject).problem
            if problem is not None:
                raise CaseError(f"not asked, because the case fails its self-check: {problem}", subject.case.path)

    def whole(self, case: Case) -> Checked:
        """Everything that the self-check finds. Raises CaseError, InfrastructureError."""
        return self._self_check.whole(subject_of(case))


def _is_gated(task: Task) -> bool:
    """Whether a student is queried for a kernel; a case's own solution is part of the self-check."""
    return task.kind is ItemKind.KERNEL and task.student != "golden"
