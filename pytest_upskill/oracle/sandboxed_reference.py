"""Runs the Python of an untrusted case in a confined process of its own.

None of the case's Python runs in the current process, and no pickle is read. A message asks about one example, and the
answer is a call with its expected results. The worst that the confined process can send is wrong numbers for its own
case (``reference_answers``). If it loops, ends or sends nonsense, the case is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from typing import TypeVar

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.plain_case import to_plain
from pytest_upskill.errors import CaseError, SandboxError
from pytest_upskill.oracle import exact
from pytest_upskill.oracle import reference_answers as answers
from pytest_upskill.oracle.prepare import GivenUp, Prepared
from pytest_upskill.oracle.reference_answers import Header, Nonsense
from pytest_upskill.oracle.reference_messages import Plain
from pytest_upskill.oracle.reference_mutants import MutatedRun
from pytest_upskill.oracle.reference_process import Answer, ReferenceProcess
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import Call, CallLayout, Example, ResultFacts
from pytest_upskill.sandbox.message_process import Unanswered

T = TypeVar("T")


class SandboxedReference:
    """A ``ReferenceRunner`` that runs the Python of its case in ``process``. Only one thread may use it at a time.

    If the runner ``owns`` the process, ``close`` calls ``closed`` if that is given, and otherwise ends the process.
    Every method may raise CaseError, and SandboxError if the process does not start.
    """

    def __init__(
        self,
        case: Case,
        process: ReferenceProcess,
        *,
        owns: bool = True,
        closed: Callable[[], object] | None = None,
    ) -> None:
        self.case = case
        self.layout: CallLayout | None = None
        self._process, self._owns = process, owns
        self._closed = closed or process.stop
        self._ended = 0
        self._fault: CaseError | None = None

    def results(self) -> ResultFacts:
        return self._ask(
            {"ask": "results"}, "on the smallest sizes", lambda head, _: answers.read_results(self.case, head)
        )

    @cached_property
    def outputs(self) -> OutputSize:
        """A rough estimate of the size of the outputs for any dims."""
        return self._ask({"ask": "outputs"}, "on small sizes", lambda head, _: answers.read_outputs(self.case, head))

    @cached_property
    def _linear(self) -> bool:
        return self._ask({"ask": "linear"}, "on whole numbers", lambda head, _: answers.read_linear(head))

    def linear(self, dtype: str) -> bool:
        return bool(exact.floating(self.case, dtype)) and self._linear

    def prepare(self, example: Example) -> Prepared | GivenUp:
        layout, example = self._known_layout, complete(self.case, example)
        request = {"ask": "prepare", "layout": asdict(layout), "example": asdict(example)}
        return self._ask(request, f"on {example}", partial(answers.read_prepared, self.case, layout, example))

    def call(self, example: Example) -> Call | None:
        found = self.prepare(example)
        return None if isinstance(found, GivenUp) else found.call

    @property
    def _known_layout(self) -> CallLayout:
        if self.layout is None:
            raise ValueError("examples are prepared for a layout: set 'layout' first")
        return self.layout

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        request = {"ask": "others", "example": asdict(example)}
        return self._ask(request, f"on other inputs than {example}", partial(answers.read_others, self.case))

    def mutated_runs(self, example: Example, skip: Collection[str]) -> list[MutatedRun]:
        request = {"ask": "mutants", "layout": asdict(self._known_layout), "example": asdict(example)}
        request["skip"] = sorted(skip)
        return self._ask(request, f"with a mistake, on {example}", partial(answers.read_mutants, self.case))

    def for_copy(self, case: Case) -> SandboxedReference:
        """A runner for a changed copy of the case. It uses the same process, because both have the same author."""
        return SandboxedReference(case, self._process, owns=False)

    def close(self) -> None:
        """End the process, unless it belongs to another runner. It may be called more than once."""
        if self._owns:
            self._owns = False
            self._closed()

    def _ask(self, request: Plain, circumstances: str, read: Callable[[Header, list[torch.Tensor]], T]) -> T:
        """Send a request and return what ``read`` makes of the answer.

        A process that ended is started again once, because the machine may have been short of memory. If the process
        loops, ends or sends nonsense, all later requests fail as well. If it reports an error, they do not. Raises
        CaseError, SandboxError.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return read(*self._answer(request))
        except Unanswered as error:
            self._ended += error.cause == "ended"
            self._process.stop()
            if error.cause == "ended" and self._ended == 1:
                return self._ask(request, circumstances, read)
            raise self._broken(self._why(error, circumstances)) from None
        except Nonsense as error:
            rule = "a reference may compute and return tensors, and must leave modules, threads and descriptors alone"
            raise self._broken(f"gave an answer that cannot be used: {error}; {rule}") from None
        except (CaseError, SandboxError):
            raise
        except BaseException:  # an interrupt leaves half an answer in the stream
            self._process.stop()
            raise

    def _answer(self, request: Plain) -> Answer:
        """The header and the tensors of the answer. If the process does not hold this case, the case is sent first."""
        if self._process.holds is not self:
            self._raise_error(self._process.ask({"ask": "case", "case": to_plain(self.case)}))
            self._process.holds = self
        answer = self._process.ask(request)
        self._raise_error(answer)
        return answer

    def _raise_error(self, answer: Answer) -> None:
        if (error := answers.read_error(self.case, answer[0])) is not None:
            raise error

    def _broken(self, what: str) -> CaseError:
        """Remember a fault of the process and return it as a CaseError. All later requests raise it, too."""
        self._process.stop()
        line = self.case.reference.line if self.case.reference else None
        self._fault = CaseError(f"case '{self.case.name}': the reference {what}", self.case.path, line)
        return self._fault

    def _why(self, error: Unanswered, circumstances: str) -> str:
        limits = self._process.limits
        if error.cause == "timeout":
            advice = "make it faster, or allow smaller sizes in 'dims'"
            return f"did not finish within {limits.seconds:g} s ({circumstances}); {advice}"
        if error.cause == "flood":
            return f"printed more than the limit of {limits.output_bytes} bytes ({circumstances}); remove its output"
        return (
            f"ended its process twice, with {error.detail} ({circumstances}); it may use {limits.memory >> 20} MiB "
            f"and {limits.cpu_seconds} s of processor time, and must return: remove what exits or crashes"
        )
