"""What a language must offer: building a kernel, running it in a sandbox, mutating it. Knows no language.

Register another language with the hook ``pytest_upskill_language``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_upskill.devices.base import Machine
from pytest_upskill.records import Answer, Assertion, Build, Call, CallLayout, LaunchStatistics


@dataclass(frozen=True, slots=True)
class SourceMutant:
    """``source`` is the whole kernel with one change, at ``line`` (1-based); ``change`` says which, in a few words."""

    kind: str
    line: int
    change: str
    source: str
    in_body: bool = True
    """Whether the change is inside a function, so that it cannot change how a variable is initialised."""


class Executor(Protocol):
    """A built kernel in a sandbox, one call after the other. A context manager; for one thread at a time."""

    @property
    def launch_statistics(self) -> LaunchStatistics:
        """What the kernel was seen to do in all calls so far."""

    def call(self, call: Call) -> Answer:
        """One call. Whatever the kernel does is in the answer; raises SandboxError if no process can be had."""

    def repeat(self, call: Call, time: int) -> Answer:
        """The call once more. ``time`` counts repeats, for devices that can run threads in another order."""

    def violations(self) -> Sequence[str]:
        """What the contract forbids and the kernel was seen to do in the calls so far, a message each."""

    def assertions(self) -> Sequence[Assertion]:
        """Assertions of the language's own on all calls so far."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *exception: object) -> None: ...


class Language(Protocol):
    """What kernels are written in. One object serves all threads; sources map a path to its text."""

    name: str
    source_name: str
    """What the kernel's source is called in messages: ``kernel.cu``."""
    devices: Sequence[str]
    """The devices that it runs on."""
    compiles: bool
    """Whether building is an assertion (``compiles``): a compiler may refuse a kernel."""
    checks: Sequence[str]
    """The assertions on calls, in order; ``correct`` stands for one of each dtype."""

    def identity(self) -> str:
        """A text that changes whenever the same source could come to another build."""

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """Builds a kernel; ``entry`` is what the contract adds so that it can be called.

        Where it is not ``checked``, no other compiler than the one it runs with is asked. Raises ToolchainError or
        SandboxError for what is not the kernel's fault.
        """

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> Executor:
        """A sandbox for a build that succeeded; ``timeout`` (s) is for each call. Raises SandboxError."""

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        """At most ``count`` kernels with one small change each, in an order that spreads their kinds."""

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """The line (1-based) to show for a failure of which no line is known, and what it is ("where out is written").

        A guess for the reader, from the source alone; ``output`` is the wrong result, where one is known. None means
        that the language has no idea, and no line is shown.
        """

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        """Whether two builds come to the same machine code, so that no input can tell them apart."""
