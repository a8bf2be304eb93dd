"""The protocols that a language implements. ``Language`` builds, runs and mutates kernels; ``Executor`` is one built
kernel in a sandbox.

A case goes through ``build``, ``execute``, then ``Executor.call`` and ``repeat`` for each example, and at the end
``violations``, ``assertions`` and ``launch_statistics``. The self-check of a case does the same with ``mutants``.

There are two kinds of failures. What a kernel does wrong is data: ``Build.message``, ``Build.violations``, a
``Finding`` in an ``Answer``. What is wrong with the machine raises ToolchainError or SandboxError, which never fails
a student. Register a language with the hook ``pytest_upskill_language``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pytest_upskill.devices.base import Machine
from pytest_upskill.records import Answer, Assertion, Build, Call, CallLayout, LaunchStatistics, Trace


@dataclass(frozen=True, slots=True)
class SourceMutant:
    """``source`` is the whole kernel with one change, at ``line`` (1-based); ``change`` describes it in a few words."""

    kind: str
    line: int
    change: str
    source: str
    in_body: bool = True
    """Whether the change is inside a function, so that no variable is initialised differently."""


class Tracer(Protocol):
    """A kernel's build with coverage. Its reports come from the kernel's process, and may be false."""

    @property
    def blocks(self) -> Mapping[str, int]:
        """The places of all blocks of code of the kernel's source, and their lines (1-based)."""

    @property
    def comparisons(self) -> Mapping[str, int]:
        """The places of all comparisons of integers in the kernel's source, and their lines."""

    def trace(self, call: Call) -> Trace | None:
        """What a call executes; None if it ends abnormally."""

    def close(self) -> None:
        """End its process."""


class Executor(Protocol):
    """A built kernel in a sandbox: a context manager, used by one thread at a time. A subclass has the defaults."""

    @property
    def launch_statistics(self) -> LaunchStatistics:
        """The kernel launches in all calls so far; read after the last call. Empty for a language without launches."""
        return LaunchStatistics()

    def call(self, call: Call) -> Answer:
        """Call the kernel once; called for each example.

        Crashes, timeouts and wrong accesses are findings in the answer. Raises SandboxError only if no process starts.
        """

    def repeat(self, call: Call, time: int) -> Answer:
        """Repeat a call, to check that the kernel is deterministic; called after ``call`` with the same ``call``.

        ``time`` counts repeats from 0, for devices that can run threads in another order. Returns and raises as
        ``call`` does.
        """

    def gradient(self, call: Call) -> Answer:
        """Call the kernel and differentiate it: the inputs are those of the kernel, then the gradient of each
        floating result; the outputs are the gradients of some inputs. Called if the case has the key ``gradients``.
        """
        message = f"{type(self).__name__} has no gradients"
        raise NotImplementedError(message)

    def tracer(self) -> Tracer | None:
        """The tracer of calls, which finds sizes worth trying; None without such a build. The caller closes it."""
        return None

    def violations(self) -> Sequence[str]:
        """A message for each forbidden thing that the kernel did; each fails ``contract``. Called once, at the end."""

    def assertions(self) -> Sequence[Assertion]:
        """The language's own assertions on all calls; may repeat calls. Called once, after the last call."""
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
    """The path of the kernel's source in messages and in ``sources``: ``kernel.cu``."""
    devices: Sequence[str]
    """The devices on which kernels run: ``cpu``, ``cuda``. A case for another device is a usage error."""
    compiles: bool
    """Whether the build is an assertion (``compiles``), because a compiler may reject a kernel."""
    checks: Sequence[str]
    """The assertions on calls, in order; ``correct`` stands for one assertion per dtype."""

    def identity(self) -> str:
        """A text that changes whenever the same source could give another build; part of the self-check's cache key."""

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """Build a kernel; called once the contract accepts the sources, also from several threads.

        ``entry`` is ``Signature.entry``. With ``checked`` False (mutants), only the compiler whose output runs is used,
        without coverage.
        Returns a build without ``library`` for a kernel that does not compile (``message``), or that needs another
        device (``needs``). Raises ToolchainError or SandboxError for problems of the machine.
        """

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> Executor:
        """A sandbox for a build with a library; ``timeout`` (s) is for each call. Raises SandboxError."""

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        """At most ``count`` mutants of a case's solution, in an order that mixes their kinds; called by the self-check.

        The same arguments give the same mutants. Empty for a source that cannot be parsed.
        """

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """The line (1-based) to show for a failure without a known line, and a description ("where out is written").

        Called for reports; ``output`` names the wrong result, if one is known. None shows no line.
        """

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        """Whether two builds have the same machine code, so that no input can kill the mutant.

        Called for each mutant that compiles; ``in_body`` is that of the mutant. False if it is unknown.
        """
