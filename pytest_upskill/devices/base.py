"""The protocol of devices: ``Machine``."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # collection imports this module, and needs no sandbox
    from pytest_upskill.sandbox.client import Sandbox
    from pytest_upskill.sandbox.confinement import Confinement


class Machine(Protocol):
    """A device of this machine. ``identity`` differs for machines whose results may differ."""

    def __hash__(self) -> int: ...

    @property
    def device(self) -> str: ...

    @property
    def architectures(self) -> tuple[str, ...]:
        """The GPU architectures that kernels are compiled for, such as ``sm_90``; empty on the cpu device."""

    @property
    def confinement(self) -> Confinement: ...

    @property
    def largest(self) -> int:
        """Elements of the largest examples, all tensors together."""

    @property
    def memory(self) -> int:
        """Bytes of host memory that a kernel's process may use."""

    def with_memory(self, memory: int) -> Machine:
        """The same with another limit on memory (bytes)."""

    def describe(self) -> str:
        """One line for the header: the device and its compilers."""

    def facts(self) -> Mapping[str, str | int | None]:
        """Facts for reports, on which results may depend."""

    def sandbox(self, library: Path, timeout: float, source_name: str) -> Sandbox:
        """A sandbox for a library; ``timeout`` (s) is for each call, ``source_name`` as in debug information."""


@functools.lru_cache(maxsize=8)
def identity(machine: Machine) -> tuple[str, ...]:
    """Texts that change whenever stored results may not hold for this machine."""
    return machine.device, json.dumps(dict(machine.facts()), sort_keys=True, default=str)


def processor() -> str:
    """The processor's name, from /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
