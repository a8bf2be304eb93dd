"""Proves that a case is worth asking, before the case is kept. What a teacher wrote runs in sandboxes only.

A case must pass the self-check: its reference runs, its solution passes, wrong results are rejected, and results depend
on the inputs. It must also kill mutants of its solution, and must ask for an operator that no other case asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.build.build_pool import BuildPool
from pytest_upskill.build.cache import Cache
from pytest_upskill.case_quality.self_check import Checked, SelfCheck
from pytest_upskill.case_quality.subject import Subject
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import CaseError, shown_path
from pytest_upskill.execution.case_gate import subject_of
from pytest_upskill.execution.solution_places import in_case_file
from pytest_upskill.generator.answers import Refused, same_operator, survivors
from pytest_upskill.generator.near_duplicates import duplicates_of
from pytest_upskill.judging.signatures import contract_of, language_of
from pytest_upskill.oracle.prepare import GivenUp, Prepared
from pytest_upskill.oracle.reference_process import ReferenceLimits, ReferenceProcess
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.oracle.sandboxed_reference import SandboxedReference
from pytest_upskill.records import Example
from pytest_upskill.sandbox.confinement import Confinement

MOST_EXAMPLES = 100
"""The most ``examples`` that a case may ask for. More would only take time."""
LEAST_KILLED = 0.5
"""The least share of its solution's mutants that a case must kill."""
CALL_SECONDS = 10.0
PROOF_SECONDS = 300.0
"""The time limit for all examples of a case. The time for its mutants is not included."""
LIMITS = ReferenceLimits(seconds=30.0, cpu_seconds=300)
"""The limits of a teacher's references. The references of other untrusted cases may take longer."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A case that is worth asking, with the findings of its self-check, and the cases of this command that ask for the
    same operator.
    """

    case: Case
    checked: Checked
    same: tuple[Case, ...] = ()


class _Timed(SandboxedReference):
    """A runner that must prepare all examples before ``deadline`` (``time.monotonic``)."""

    def __init__(self, case: Case, process: ReferenceProcess, deadline: float) -> None:
        super().__init__(case, process, owns=False)
        self._deadline = deadline

    def prepare(self, example: Example) -> Prepared | GivenUp:
        if time.monotonic() > self._deadline:
            advice = "make reference and solution faster, or allow fewer 'examples' and smaller 'dims'"
            raise CaseError(f"the examples take longer than {PROOF_SECONDS:g} s; {advice}", self.case.path)
        return super().prepare(example)


class References:
    """Processes that run references: one for each case, and a spare process that starts while the previous case is
    proven.

    ``open_runner`` makes runners of the current process. Use an instance in one thread only.
    """

    def __init__(self, confinement: Confinement, limits: ReferenceLimits | None = None) -> None:
        self._confinement, self._limits = confinement, limits or LIMITS
        self._current: ReferenceProcess | None = None
        self._spare: ReferenceProcess | None = None
        self._deadline = 0.0

    def begin(self) -> None:
        """End the process of the previous case, so that its code cannot affect the next case. Raises SandboxError."""
        if self._current is not None:
            self._current.stop()
        self._current, self._spare = self._spare or self._new(), None
        self._deadline = time.monotonic() + PROOF_SECONDS

    def go_on(self) -> None:
        """Set the deadline anew for the next case, and keep the process of the previous case, which has not been
        proven.
        """
        self._deadline = time.monotonic() + PROOF_SECONDS

    def begin_spare(self) -> None:
        """Start the process of the next case, unless it has been started already."""
        self._spare = self._spare or self._new()

    def open_runner(self, case: Case) -> ReferenceRunner:
        if self._current is None:
            self.begin()
        assert self._current is not None
        return _Timed(case, self._current, self._deadline)

    def close(self) -> None:
        for process in filter(None, (self._current, self._spare)):
            process.stop()
        self._current = self._spare = None

    def _new(self) -> ReferenceProcess:
        return ReferenceProcess(self._confinement, self._limits)


class Prover:
    """Proves the cases of one skill, one after another. Use it in the main thread only; builds run in other threads."""

    def __init__(self, machine: Machine, skill: str, cache: Cache | None = None) -> None:
        self._machine, self._skill = machine, skill
        self._references = References(machine.confinement)
        self._builds = BuildPool(1)
        self._self_check = SelfCheck(lambda language: machine, CALL_SECONDS, cache, self._references.open_runner)

    def read(self, text: str, path: Path, *, needs_solution: bool = True) -> Case:
        """Read a case from a teacher's text. Raises Refused if the case is invalid, or if a generated case may not be
        like this.
        """
        try:
            case = parse_case(text, path, self._skill, trusted=False)
        except CaseError as error:
            raise Refused(_placed(error)) from None
        if case.op is None:
            raise Refused("the case has no 'op': write a case that asks for a kernel")
        if case.solution is None and needs_solution:
            raise Refused("the case has no '## Solution': add a kernel that passes")
        if case.xfail:
            raise Refused("'xfail' is not allowed in a generated case: remove it")
        if case.examples is not None and case.examples > MOST_EXAMPLES:
            raise Refused(f"'examples' is {case.examples}; at most {MOST_EXAMPLES} are allowed here")
        return case

    def prove(
        self,
        case: Case,
        others: Iterable[Case],
        yielding: Container[str] = (),
        more_to_come: Callable[[], bool] = lambda: False,
    ) -> Proven:
        """The case with its quality. If other cases in ``yielding`` (names) ask for the same operator, they are listed
        in ``same``.

        Raises Refused with the reason; it is refused, too, if a case that is not in ``yielding`` asks for the same
        operator. Raises SandboxError and ToolchainError.
        """
        self._references.begin()
        if more_to_come():
            self._references.begin_spare()
        try:
            subject = self._subject(case)
            self._self_check.send_ahead(subject, self._builds.begin)
            same = duplicates_of(case, others, self._references.open_runner)
            for one in same:
                if one.name not in yielding:
                    raise same_operator(one.name)
            self._references.begin()  # a new process, because the old one ran other cases' references
            checked = self._self_check.whole(subject)
        except CaseError as error:
            raise Refused(_placed(error)) from None
        if (problem := checked.quality.problem) is not None:
            in_text = in_case_file(problem, case).replace(f"{shown_path(case.path)}:", "line ")
            raise Refused(f"the case fails its self-check: {in_text}")
        if checked.quality.not_run:
            raise Refused(f"the solution cannot be run on this machine: {checked.quality.not_run}")
        if (score := checked.score) is not None and score.killed < LEAST_KILLED * score.total:
            raise Refused(
                f"the case kills {score.killed} of {score.total} mutants of its solution, at least {LEAST_KILLED:.0%} "
                f"must be killed; these wrong solutions pass: {survivors(score)}"
            )
        return Proven(case, checked, tuple(same))

    def close(self) -> None:
        self._builds.close()
        self._references.close()

    def _subject(self, case: Case) -> Subject:
        language_of(case)
        facts = self._references.open_runner(case).results()
        return subject_of(case, signature=contract_of(case).signature(case, facts))


def _placed(error: CaseError) -> str:
    """The message with the line in the case file, but without the file's path, which the teacher does not know."""
    return error.message if error.line is None else f"line {error.line}: {error.message}"
