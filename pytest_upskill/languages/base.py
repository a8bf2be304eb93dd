"""The protocols that a language implements. ``Language`` builds, runs and mutates kernels; ``Executor`` is one built
kernel in a sandbox.

For each case, ``build`` and ``execute`` are called, then ``Executor.call`` and ``repeat`` for each example, and at the
end ``violations``, ``assertions`` and ``launch_statistics``. The self-check of a case does the same for the results of
``mutants``.

There are two kinds of failures. What a kernel does wrong is data: ``Build.message``, ``Build.violations``, or a
``Finding`` in an ``Answer``. What is wrong with the machine raises ToolchainError or SandboxError, and never fails a
student. Register a language with the hook ``pytest_upskill_language``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pytest_upskill.devices.base import Machine
from pytest_upskill.records import Answer, Assertion, Build, Call, CallLayout, LaunchStatistics, Trace


@dataclass(frozen=True, slots=True)
class SourceMutant:
    """A wrong variant of a kernel. ``source`` is the whole kernel with one change, at ``line`` (1-based); ``change``
    describes the change in a few words.
    """

    kind: str
    line: int
    change: str
    source: str
    in_body: bool = True
    """Whether the change is inside a function. Changes outside of functions can initialise variables differently."""


class Tracer(Protocol):
    """A kernel's build with coverage. Its reports come from the kernel's process, so they may be false."""

    @property
    def blocks(self) -> Mapping[str, int]:
        """The places of all basic blocks of the kernel's source, with their lines (1-based)."""

    @property
    def comparisons(self) -> Mapping[str, int]:
        """The places of all integer comparisons in the kernel's source, with their lines (1-based)."""

    def trace(self, call: Call) -> Trace | None:
        """Trace what a call executes. None if the call ends abnormally."""

    def close(self) -> None:
        """End the process of the tracer."""


class Executor(Protocol):
    """A built kernel in a sandbox. It is a context manager, and is used by one thread at a time. Subclasses may
    override the defaults.
    """

    @property
    def launch_statistics(self) -> LaunchStatistics:
        """The kernel launches in all calls so far. It is read after the last call, and empty for a language without
        launches.
        """
        return LaunchStatistics()

    def call(self, call: Call) -> Answer:
        """Call the kernel once. This is called for each example.

        Crashes, timeouts and wrong accesses are findings in the answer. Raises SandboxError only if no process can be
        started.
        """

    def repeat(self, call: Call, time: int) -> Answer:
        """Repeat a call, to check that the kernel is deterministic. It is called after ``call``, with the same
        ``call``.

        ``time`` counts the repeats from 0; a device that can run threads in another order uses it to choose the order.
        Returns and raises as ``call`` does.
        """

    def gradient(self, call: Call) -> Answer:
        """Call the kernel and differentiate it. The inputs are the inputs of the kernel, followed by the gradient of
        each floating-point result. The outputs are the gradients of some of the kernel's inputs. Called if the case has
        the key ``gradients``.
        """
        message = f"{type(self).__name__} has no gradients"
        raise NotImplementedError(message)

    def tracer(self) -> Tracer | None:
        """The tracer of calls, which is used to find sizes worth trying; None if there is no build with coverage. The
        caller closes it.
        """
        return None

    def violations(self) -> Sequence[str]:
        """A message for each forbidden thing that the kernel did. Each message fails ``contract``. Called once, at the
        end.
        """

    def assertions(self) -> Sequence[Assertion]:
        """The language's own assertions about all calls. This may repeat calls. Called once, after the last call."""
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process and free its resources."""


class Language(Protocol):
    """A language in which kernels are written. One object serves all threads. ``sources`` map a path to its text."""

    name: str
    """The name in a case's ``language``."""
    source_name: str
    """The path of the kernel's source in messages and in ``sources``, such as ``kernel.cu``."""
    devices: Sequence[str]
    """The devices on which kernels run (``cpu``, ``cuda``). A case for another device is a usage error."""
    compiles: bool
    """Whether the build is an assertion (``compiles``), because a compiler may reject a kernel."""
    checks: Sequence[str]
    """The names of the assertions about calls, in order. ``correct`` stands for one assertion per dtype."""

    def identity(self) -> str:
        """A text that changes whenever the same source could give another build. The cache key of the self-check
        contains it.
        """

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """Build a kernel. It is called after the contract has accepted the sources, possibly from several threads.

        ``entry`` is ``Signature.entry``. If ``checked`` is False (for mutants), only the compiler whose output runs is
        used, without coverage. The build has no ``library`` if the kernel does not compile (see ``message``), or if it
        needs another device (see ``needs``). Raises ToolchainError or SandboxError for problems of the machine.
        """

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> Executor:
        """A sandbox for a build with a library; ``timeout`` (s) is for each call. Raises SandboxError."""

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        """At most ``count`` mutants of a case's solution, in an order that mixes their kinds. The self-check calls
        this.

        The same arguments give the same mutants. There are none for a source that cannot be parsed.
        """

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """The line (1-based) to show for a failure whose line is not known, and a description ("where out is written").

        Reports call this. ``output`` is the name of the wrong result, if it is known. If None is returned, no line is
        shown.
        """

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        """Whether two builds have the same machine code, so that no input can kill the mutant. False if this is not
        known.

        Called for each mutant that compiles; ``in_body`` is the attribute of the mutant.
        """
