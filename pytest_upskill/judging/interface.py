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
    """Limits on the run of a kernel.

    ``call_seconds`` limits one call of the kernel. ``item_seconds`` limits all its calls together, including traced
    calls and the calls while shrinking. ``memory`` (bytes) limits the kernel's process (None: the device's own limit).
    """

    call_seconds: float = 10.0
    item_seconds: float = 120.0
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """Everything that a verdict depends on, except the machine.

    ``case_text`` is the text of the case's file, ``case_name`` the file's name without its suffix.
    ``sources`` maps paths to texts. ``device`` is ``cpu`` or ``cuda``, ``sandbox`` is ``auto`` or ``strict``.
    ``examples`` is how many examples are drawn for each dtype (None: the case's own number, or the default). The
    examples in ``more_examples`` are tried as well. If ``example`` is given, no other example is tried. ``largest`` is
    how many elements a large example may have (None: the device's own number). If ``trusted``, the case's own Python
    may run in the judge's process.
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
    """Facts about a build.

    ``message`` is the compiler's message if the compiler rejected the kernel. ``kernels`` has the resources that the
    kernels need on the GPU for which they were built.
    """

    ok: bool
    message: str = ""
    compilers: tuple[str, ...] = ()
    kernels: tuple[KernelResources, ...] = ()
    cached: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why a kernel has no verdict: a fault of the case (at ``line`` of its file), request or machine."""

    kind: Literal["case", "usage", "infrastructure"]
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """The result of judging a request.

    ``verdict`` has all assertions except ``reply``, which is about the reply's text. If there is a ``problem``, the
    verdict is inconclusive or an infrastructure error, and has no assertions. ``reports`` has each finding of the
    device once. ``device_memory`` (bytes) is the largest amount of GPU memory in use. Two results can be equal although
    their seconds, machine, version and memory differ.
    """

    verdict: Verdict
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    build: BuildFacts | None = None
    reports: tuple[Finding, ...] = ()
    not_executed: tuple[tuple[int, int], ...] = ()
    """Ranges of lines of the kernel's source that no traced call executed. It is empty if no call was traced."""
    launch_statistics: LaunchStatistics = field(default_factory=LaunchStatistics)
    device_memory: int | None = field(default=None, compare=False)
    build_seconds: float = field(default=0.0, compare=False)
    run_seconds: float = field(default=0.0, compare=False)
    version: str = field(default="", compare=False)
    machine: Mapping[str, str | int | None] = field(default_factory=dict, compare=False)


class Backend(Protocol):
    """Judges requests in the current process, in worker processes, or elsewhere.

    A backend's caches are its own, and their keys are hashes of contents.
    """

    def submit(self, request: JudgeRequest) -> Future[JudgeResult]:
        """Return a future of the result. The build may start now. Errors are reported in the result, not raised."""

    def close(self) -> None:
        """Cancel all requests that have no result yet."""
