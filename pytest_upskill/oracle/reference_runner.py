"""Where a case's own Python runs: in this process (a trusted case), or in a sandbox (an untrusted one).

Everything that calls the case's functions lies behind one interface: drawing inputs, gold, eager, runs on perturbed
inputs, gradients, bounds. Exploration and the self-check see examples go in, and calls with their expectations come
out. Hypothesis, kernels and verdicts stay on this side.

The sandbox of a reference is a sibling of the kernel's: both are started by us, and neither sees the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.records import CallLayout, Example, ResultFacts

if TYPE_CHECKING:
    from pytest_upskill.sandbox.confinement import Confinement


class ReferenceRunner(Protocol):
    """Runs the Python of one case. Every method may raise CaseError: the reference or the inputs are at fault.

    A runner that leaves this process raises SandboxError where its process cannot be had. Use is within ``isolated``,
    but for ``results`` and ``close``.
    """

    case: Case
    layout: CallLayout | None
    """What examples are prepared for. It follows from ``results``, so that it may be None until ``prepare``."""

    def results(self) -> ResultFacts:
        """Dtypes and shapes of the operator's results."""

    @property
    def outputs(self) -> OutputSize:
        """How large the outputs are, roughly, for any sizes."""

    def linear(self, dtype: str) -> bool:
        """Whether examples of whole numbers can be held to the exact result, where this dtype is tried."""

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """A call, and what must come back from it."""

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        """The exact results of other inputs of the same sizes, by output."""

    def for_copy(self, case: Case) -> ReferenceRunner:
        """A runner for a changed copy of the case. It works as long as this one is open."""

    def close(self) -> None:
        """Ends what was started; may be called again."""


OpenRunner = Callable[[Case], ReferenceRunner]
"""Makes the runner of a case; whoever asks for it closes it."""


def in_this_process(case: Case) -> ReferenceRunner:
    """The runner of a case whose Python is trusted."""
    return Preparation(case)


def runners(*, trusted: bool, confinement: Confinement) -> OpenRunner:
    """How runners are made of cases that are all trusted, or all not."""
    if trusted:
        return in_this_process

    def in_a_sandbox(case: Case) -> ReferenceRunner:
        from pytest_upskill.oracle.reference_process import ReferenceProcess
        from pytest_upskill.oracle.sandboxed_reference import SandboxedReference

        return SandboxedReference(case, ReferenceProcess(confinement))

    return in_a_sandbox


@contextmanager
def open_runner(
    case: Case, layout: CallLayout | None = None, *, trusted: bool, confinement: Confinement
) -> Iterator[ReferenceRunner]:
    """The runner of one case, closed at the end. An untrusted case's process starts at once, without being waited for.

    Raises SandboxError where a case is untrusted and ``confinement`` cannot hide files and the network from it.
    """
    with closing(runners(trusted=trusted, confinement=confinement)(case)) as runner:
        runner.layout = layout
        yield runner
