"""The judge's interface: ``JudgeRequest``, ``JudgeResult`` and ``Backend``.

Requests and results are plain data: they can be pickled, and pydantic writes them as JSON without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pytest_upskill.records import Finding, KernelResources, LaunchStatistics, Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """``call_seconds`` limits one call of a kernel, ``item_seconds`` all of them together, traced ones and those of
    shrinking included, ``memory`` (bytes) the kernel's process (None: the device's own limit).
    """

    call_seconds: float = 10.0
    item_seconds: float = 120.0
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """Everything that a verdict depends on, besides the machine.

    ``case_text`` is the text of the case's file, ``case_name`` the file's name without its suffix.
    ``sources`` maps paths to texts. ``device`` is ``cpu`` or ``cuda``, ``sandbox`` is ``auto`` or ``strict``.
    ``examples`` are drawn for each dtype (None: the case's own number, or the default), and ``more_examples`` are tried
    besides; with ``example``, only that one is tried. ``largest`` is the number of elements of large examples (None:
    the device's own number). ``trusted``: the case's own Python may run in the judge's process.
    """

    case_text: str
    case_name: str
    sources: Mapping[str, str]
    contract: str = "launcher"
    language: str = "cuda"
    device: str = "cpu"
    architecture: str | None = None
    sanitizer: bool = False
    sandbox: str = "auto"
    seed: int = 0
    examples: int | None = None
    example: str | None = None
    more_examples: tuple[str, ...] = ()
    largest: int | None = None
    limits: Limits = field(default_factory=Limits)
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """What is known of a build. ``message`` is the compiler's, if it rejected the kernel; ``kernels`` has the
    resources that kernels need on the GPU that they were built for.
    """

    ok: bool
    message: str = ""
    compilers: tuple[str, ...] = ()
    kernels: tuple[KernelResources, ...] = ()
    cached: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the kernel has no verdict: the case (at ``line`` of its file), the request or the machine is at fault."""

    kind: Literal["case", "usage", "infrastructure"]
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """``verdict`` has every assertion but ``reply``, which is about the reply's text. With a ``problem``, the verdict
    is inconclusive, or an infrastructure error, and has no assertions.

    ``reports`` is what the device saw, each once. ``device_memory`` (bytes) is the most that was in use on a GPU.
    What differs from run to run (seconds, machine, version, memory) does not count for equality.
    """

    verdict: Verdict
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    build: BuildFacts | None = None
    reports: tuple[Finding, ...] = ()
    not_executed: tuple[tuple[int, int], ...] = ()
    """Ranges of lines of the kernel's source that were executed in no traced call; empty if nothing was traced."""
    launch_statistics: LaunchStatistics = field(default_factory=LaunchStatistics)
    device_memory: int | None = field(default=None, compare=False)
    build_seconds: float = field(default=0.0, compare=False)
    run_seconds: float = field(default=0.0, compare=False)
    version: str = field(default="", compare=False)
    machine: Mapping[str, str | int | None] = field(default_factory=dict, compare=False)


class Backend(Protocol):
    """Judges requests in this process, in worker processes, or elsewhere. Its caches are its own, keyed by content."""

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """The result, as a future. The build may start now; the result reports all errors."""

    def close(self) -> None:
        """Cancel all requests without a result."""
