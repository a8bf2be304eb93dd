"""What the judge answers. Seconds, machine, versions and memory differ from run to run, and are no part of equality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_upskill.records import Finding, KernelResources, LaunchStatistics, Verdict


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """What is known of a build. ``message`` is the compiler's, where it refused the kernel."""

    ok: bool
    message: str = ""
    compilers: tuple[str, ...] = ()
    kernels: tuple[KernelResources, ...] = ()
    """What the kernels take up on the GPU that they were built for."""
    cached: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no verdict on the kernel: the case, what was asked for, or the machine is at fault.

    ``line`` is a line of the case's file.
    """

    kind: Literal["case", "usage", "infrastructure"]
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """``verdict`` has every assertion but ``reply``, which is about the reply's text. With a ``problem``, the verdict
    is inconclusive, or an infrastructure error, and has no assertions.

    ``reports`` is what the device saw, each once. ``device_memory`` (bytes) is the most that was in use on a GPU.
    """

    verdict: Verdict
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    build: BuildFacts | None = None
    reports: tuple[Finding, ...] = ()
    launch_statistics: LaunchStatistics = field(default_factory=LaunchStatistics)
    device_memory: int | None = field(default=None, compare=False)
    build_seconds: float = field(default=0.0, compare=False)
    run_seconds: float = field(default=0.0, compare=False)
    version: str = field(default="", compare=False)
    machine: Mapping[str, str | int | None] = field(default_factory=dict, compare=False)
