"""Where a case's own Python runs: in this process (a trusted case), or in a sandbox (an untrusted one).

Everything that calls the case's functions lies behind ``ReferenceRunner``: drawing inputs, running the
reference, perturbing inputs, gradients, bounds. Examples go in; calls with their expected results come out. Hypothesis,
kernels and verdicts stay on this side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.prepare import GivenUp, Preparation, Prepared
from pytest_upskill.oracle.reference_mutants import MutatedRun
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.records import Call, CallLayout, Example, ResultFacts

if TYPE_CHECKING:
    from pytest_upskill.sandbox.confinement import Confinement


class ReferenceRunner(Protocol):
    """Runs the Python of one case. Every method may raise CaseError: the reference or the inputs are at fault.

    A runner that uses another process raises SandboxError if that process cannot be started. Use it within
    ``isolated``, but for ``results`` and ``close``.
    """

    case: Case
    layout: CallLayout | None
    """What examples are prepared for; may be None until ``prepare``, since it follows from ``results``."""

    def results(self) -> ResultFacts:
        """Dtypes and shapes of the operator's results."""

    @property
    def outputs(self) -> OutputSize:
        """How large the outputs are, roughly, for any sizes."""

    def linear(self, dtype: str) -> bool:
        """Whether the reference is exact on whole numbers when this dtype is tried."""

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """A call with its expected results."""

    def call(self, example: Example) -> Call | None:
        """The call of an example, without its expected results; None if the example cannot be judged."""

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        """The exact results of other inputs of the same sizes, by output."""

    def mutated_runs(self, example: Example, skip: Collection[str]) -> Sequence[MutatedRun]:
        """The results of mutants of the reference, but for those that ``skip`` names, on an example that ``prepare``
        returned in a ``Prepared``.
        """

    def for_copy(self, case: Case) -> ReferenceRunner:
        """A runner for a changed copy of the case; it cannot be used after this runner's ``close``."""

    def close(self) -> None:
        """End what was started; may be called again."""


OpenRunner = Callable[[Case], ReferenceRunner]
"""Makes the runner of a case; the caller closes it."""


in_this_process: OpenRunner = Preparation
"""Makes the runner of a case whose Python is trusted."""


def in_a_sandbox(confinement: Confinement) -> OpenRunner:
    """What makes runners of untrusted cases. Their processes start at once, and nothing waits for that; one that a
    runner has closed serves the next runner of the same case.

    It raises SandboxError if ``confinement`` cannot hide files and the network from them.
    """
    from pytest_upskill.oracle.reference_pool import POOL

    return lambda case: POOL.open(case, confinement)


def by_trust(confinement: Callable[[], Confinement]) -> OpenRunner:
    """What makes the runner of any case: in this process if the case is trusted, else in a sandbox."""
    return lambda case: in_this_process(case) if case.trusted else in_a_sandbox(confinement())(case)
