"""Runs the Python of an untrusted case in a confined process of its own. None of it runs here, and no pickle is read.

One message is one example, so that what comes back is a call with its expectations. The process may lie about these
numbers, for its own case, and about nothing else (``reference_answers``); that it loops, ends or answers nonsense is
the case's fault.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import cached_property

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.plain_case import to_plain
from pytest_upskill.errors import CaseError, SandboxError
from pytest_upskill.oracle import exact, reference_answers
from pytest_upskill.oracle.prepare import GivenUp, Prepared
from pytest_upskill.oracle.reference_answers import Nonsense
from pytest_upskill.oracle.reference_messages import example_to_plain, layout_to_plain
from pytest_upskill.oracle.reference_process import Answer, Plain, ReferenceProcess
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import CallLayout, Example, ResultFacts
from pytest_upskill.sandbox.byte_stream_process import Unanswered

_NONSENSE = (
    "gave an answer that cannot be used: {}; a reference may compute and return tensors, and must leave modules, "
    "threads and descriptors alone"
)


class SandboxedReference:
    """A ``ReferenceRunner`` whose case's Python runs in ``process``, which it ends where it ``owns`` it.

    For one thread at a time. Beside CaseError, every method may raise SandboxError: the process does not start.
    """

    def __init__(self, case: Case, process: ReferenceProcess, *, owns: bool = True) -> None:
        self.case = case
        self.layout: CallLayout | None = None
        self._process, self._owns = process, owns
        self._deaths = 0
        self._fault: CaseError | None = None

    # ------------------------------------------------------------------------------------- what a runner does

    def results(self) -> ResultFacts:
        """Dtypes and shapes of the operator's results."""
        header, _ = self._ask({"ask": "results"}, "on the smallest sizes")
        with self._checked():
            return reference_answers.read_results(self.case, header)

    @cached_property
    def outputs(self) -> OutputSize:
        """How large the outputs are, roughly, for any sizes."""
        header, _ = self._ask({"ask": "outputs"}, "on small sizes")
        with self._checked():
            return reference_answers.read_outputs(self.case, header)

    @cached_property
    def _linear(self) -> bool:
        header, _ = self._ask({"ask": "linear"}, "on whole numbers")
        with self._checked():
            return reference_answers.read_linear(header)

    def linear(self, dtype: str) -> bool:
        """Whether examples of whole numbers can be held to the exact result, where this dtype is tried."""
        return bool(exact.floating(self.case, dtype)) and self._linear

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """A call, and what must come back from it."""
        if self.layout is None:
            raise ValueError("examples are prepared for a layout: set 'layout' first")
        example = complete(self.case, example)
        request = {"ask": "prepare", "layout": layout_to_plain(self.layout), "example": example_to_plain(example)}
        header, tensors = self._ask(request, f"on {example}")
        with self._checked():
            return reference_answers.read_prepared(self.case, self.layout, example, header, tensors)

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        """The exact results of other inputs of the same sizes, by output."""
        request = {"ask": "others", "example": example_to_plain(example)}
        header, tensors = self._ask(request, f"on other inputs than {example}")
        with self._checked():
            return reference_answers.read_others(self.case, header, tensors)

    def for_copy(self, case: Case) -> SandboxedReference:
        """A runner for a changed copy of the case, which is the same stranger's: in the same process."""
        return SandboxedReference(case, self._process, owns=False)

    def close(self) -> None:
        """Ends the process, unless it is another runner's; may be called again."""
        if self._owns:
            self._process.stop()

    # ------------------------------------------------------------------------------------- asking

    def _ask(self, request: Plain, circumstances: str) -> Answer:
        """Header and tensors of an answer. A fault of the process, unlike an error that it tells of, is final.

        A process that ended is started again once: an honest reference may have met somebody else's shortage of memory.
        Raises CaseError, SandboxError.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return self._answer(request)
        except Unanswered as error:
            self._deaths += error.cause == "ended"
            self._process.stop()
            if error.cause == "ended" and self._deaths == 1:
                return self._ask(request, circumstances)
            raise self._broken(self._why(error, circumstances)) from None
        except Nonsense as error:
            raise self._broken(_NONSENSE.format(error)) from None
        except (CaseError, SandboxError):
            raise
        except BaseException:  # an interrupt leaves half an answer in the stream
            self._process.stop()
            raise

    def _answer(self, request: Plain) -> Answer:
        """Header and tensors; the process is given the case first, where it holds none or another copy."""
        if self._process.holds is not self:
            self._raise_error(self._process.ask({"ask": "case", "case": to_plain(self.case)}))
            self._process.holds = self
        answer = self._process.ask(request)
        self._raise_error(answer)
        return answer

    def _raise_error(self, answer: Answer) -> None:
        error = reference_answers.read_error(self.case, answer[0])
        if error is not None:
            raise error

    # ------------------------------------------------------------------------------------- what went wrong

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """What makes no sense ends the process, and the case with it."""
        try:
            yield
        except Nonsense as error:
            raise self._broken(_NONSENSE.format(error)) from None

    def _broken(self, what: str) -> CaseError:
        """The fault that every later request meets as well, without a process."""
        self._process.stop()
        line = self.case.reference.line if self.case.reference else None
        self._fault = CaseError(f"case '{self.case.name}': the reference {what}", self.case.path, line)
        return self._fault

    def _why(self, error: Unanswered, circumstances: str) -> str:
        limits = self._process.limits
        if error.cause == "timeout":
            return (
                f"did not finish within {limits.seconds:g} s ({circumstances}); "
                "make it faster, or allow smaller sizes in 'dims'"
            )
        if error.cause == "flood":
            return f"printed more than the limit of {limits.output_bytes} bytes ({circumstances}); let it print nothing"
        return (
            f"ended its process twice, with {error.detail} ({circumstances}); it may use {limits.memory >> 20} MiB "
            f"and {limits.cpu_seconds} s of processor time, and must return: remove what exits or crashes"
        )
