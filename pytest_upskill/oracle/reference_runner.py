"""Chooses where a case's own Python runs: in this process if the case is trusted, and otherwise in a sandbox.

Everything that calls the case's functions is done by a ``ReferenceRunner``: drawing inputs, running the reference,
perturbing inputs, taking gradients, computing bounds. A runner is given examples, and returns calls with their expected
results. Hypothesis, kernels and verdicts are never handled by a runner.
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
    """Runs the Python of one case. Every method may raise CaseError, if the reference or the inputs are at fault.

    A runner that uses another process raises SandboxError if that process cannot be started. All methods except
    ``results`` and ``close`` must be called within ``isolated``.
    """

    case: Case
    layout: CallLayout | None
    """The layout of the calls that are prepared. It follows from ``results``, so it may be None until ``prepare``."""

    def results(self) -> ResultFacts:
        """The dtypes and shapes of the operator's results."""

    @property
    def outputs(self) -> OutputSize:
        """A rough estimate of the size of the outputs for any dims."""

    def linear(self, dtype: str) -> bool:
        """Whether the reference is exact on whole numbers when this dtype is tried."""

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """The call of an example with its expected results, or GivenUp if the example cannot be judged."""

    def call(self, example: Example) -> Call | None:
        """The call of an example, without the expected results. None if the example cannot be judged."""

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        """The exact results of other inputs of the same sizes, by output."""

    def mutated_runs(self, example: Example, skip: Collection[str]) -> Sequence[MutatedRun]:
        """The results of mutants of the reference on an example, except the mutants that ``skip`` names.

        The example must be one that ``prepare`` returned in a ``Prepared``.
        """

    def for_copy(self, case: Case) -> ReferenceRunner:
        """A runner for a changed copy of the case. The new runner cannot be used after this runner was closed."""

    def close(self) -> None:
        """End the processes that were started, if any. It may be called more than once."""


OpenRunner = Callable[[Case], ReferenceRunner]
"""A function that makes the runner of a case. Its caller must close the runner."""


in_this_process: OpenRunner = Preparation
"""Makes the runner of a case whose Python is trusted. It runs in the current process."""


def in_a_sandbox(confinement: Confinement) -> OpenRunner:
    """A function that makes runners of untrusted cases, each with a confined process.

    The function starts a runner's process without waiting for it. After the runner is closed, its process serves the
    next runner of the same case. The function raises SandboxError if ``confinement`` cannot hide files and the network.
    """
    from pytest_upskill.oracle.reference_pool import POOL

    return lambda case: POOL.open(case, confinement)


def by_trust(confinement: Callable[[], Confinement]) -> OpenRunner:
    """A function that makes the runner of any case: in this process if the case is trusted, else in a sandbox."""
    return lambda case: in_this_process(case) if case.trusted else in_a_sandbox(confinement())(case)
