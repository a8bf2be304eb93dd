"""Applies the self-check to students' items: no student is queried for a case that fails it."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_upskill.case_quality import text_check
from pytest_upskill.case_quality.result import CaseQuality
from pytest_upskill.case_quality.self_check import Checked, SelfCheck, Submit
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.base import Signature
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError
from pytest_upskill.execution.solution_places import in_case_file
from pytest_upskill.execution.task import Task
from pytest_upskill.judging.signatures import contract_of, language_of, signature_of
from pytest_upskill.languages.base import Language
from pytest_upskill.records import Assertion, ItemKind, Kernel, Reply
from pytest_upskill.students.golden import as_reply

MoreAssertions = Callable[[Case, Reply, Kernel | None], Iterable[Assertion]]
"""Returns a project's own assertions on a reply."""


def subject_of(case: Case | None, more: MoreAssertions | None = None, signature: Signature | None = None) -> Subject:
    """Return the self-check's input for a case. The case's solution must also pass ``more``. Raises CaseError.

    Without ``signature``, the case's reference runs to derive the signature.
    """
    assert case is not None
    subject = Subject(case, language_of(case), signature or signature_of(case))
    return replace(subject, problem=_problem(subject, more)) if case.solution else subject


def _problem(subject: Subject, more: MoreAssertions | None) -> Assertion | None:
    """Read the solution as a reply, and return the first assertion that it fails; None if it fails none.

    The assertion is ``reply``, ``contract``, or one of the project's own.
    """
    case, contract = subject.case, contract_of(subject.case)
    assert case.solution is not None
    reply = Reply(text=as_reply(case.solution, case.language), cost_usd=0.0, model="golden")
    found = contract.extract(reply.text, subject.signature)
    if found.kernel is None:
        return Assertion("contract" if found.block_found else "reply", False, found.problem)
    problem = contract.problem({subject.language.source_name: found.kernel.source}, subject.signature)
    if problem is not None:
        return Assertion("contract", False, problem)
    return next((one for one in (more(case, reply, found.kernel) if more else ()) if not one.passed), None)


class CaseGate:
    """Lets a student be queried only for cases that pass their self-check.

    ``machine`` returns the machine that a language runs on. ``submit`` starts builds in the background. ``timeout`` (s)
    limits each call of a solution. A solution must also pass ``more``.
    """

    def __init__(
        self, machine: Callable[[Language], Machine], timeout: float, submit: Submit, more: MoreAssertions | None = None
    ) -> None:
        self._self_check = SelfCheck(machine, timeout)
        self._submit, self._more = submit, more
        self._subjects: dict[tuple[str, str, str], Subject] = {}
        self._examples: dict[str, tuple[str, ...]] = {}
        self._texts: dict[str, CaseQuality] = {}
        """The quality of text cases, by the digest of their text."""

    def build_ahead(self, tasks: Iterable[Task]) -> None:
        """Start the builds of solutions whose cases have yet to be checked."""
        for task in (task for task in tasks if _is_gated(task) and task.kind is ItemKind.KERNEL):
            with contextlib.suppress(Exception):  # the exception is raised again when the item runs
                self._self_check.send_ahead(self._subject(task.case), self._submit)

    def is_open(self, task: Task) -> bool:
        """Return whether the task's student may be queried. False if this is not known yet, because the case was not
        checked.
        """
        if not _is_gated(task):
            return True
        if task.kind is ItemKind.TEXT:
            return all(one.passed for one in self._text(task.case).assertions)
        return self._self_check.is_known_to_be_good(self._subject(task.case))

    def check(self, task: Task) -> None:
        """Raise CaseError if the task's case fails its self-check. Nothing is checked for the items of ``golden``."""
        if not _is_gated(task):
            return
        assert task.case is not None
        text = task.kind is ItemKind.TEXT
        quality = self._text(task.case) if text else self._self_check.quality(self._subject(task.case))
        # A text case that has only a rubric cannot be self-checked. Its reply is kept nevertheless.
        if quality.problem is not None and not (text and quality.inconclusive):
            problem = in_case_file(quality.problem, task.case)
            what = f"not asked, because the case fails its self-check: {problem}"
            raise CaseError(what, task.case.path if problem == quality.problem else None)  # else it names a place
        self._examples[task.id] = quality.more

    def examples(self, task: Task) -> tuple[str, ...]:
        """Return the examples that the self-check adds to a task's own examples; none before ``check`` was called."""
        return self._examples.get(task.id, ())

    def whole(self, case: Case) -> Checked:
        """Return everything that the self-check of a case finds. Raises CaseError, InfrastructureError."""
        if case.kind == "text":
            quality = self._text(case)
            return Checked(quality, None, quality.advice)
        return self._self_check.whole(self._subject(case))

    def _text(self, case: Case | None) -> CaseQuality:
        assert case is not None
        if case.text_hash not in self._texts:
            self._texts[case.text_hash] = text_check.check(case)
        return self._texts[case.text_hash]

    def _subject(self, case: Case | None) -> Subject:
        """Return the self-check's input for a case. It is cached, so that a case's solution is read only once."""
        assert case is not None
        key = (str(case.path), case.name, case.text_hash)
        if key not in self._subjects:
            # The solution has the case's original contract, not the contract under which a published kernel is judged.
            written = parse_case(case.text, case.path, case.skill, trusted=case.trusted) if case.hub else case
            self._subjects[key] = subject_of(written, self._more)
        return self._subjects[key]


def _is_gated(task: Task) -> bool:
    """Return whether a student is queried for the task. The student ``golden``, which replies with solutions, does not
    count.
    """
    return task.kind in (ItemKind.KERNEL, ItemKind.TEXT) and task.student != "golden"
