"""The protocol of devices: ``Machine``."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # collection imports this module, but needs no sandbox
    from pytest_upskill.sandbox.client import Sandbox
    from pytest_upskill.sandbox.confinement import Confinement


class Machine(Protocol):
    """A device of this machine, such as a GPU. Its methods and properties say how kernels are built and run there."""

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
        """The most elements of the largest examples, counted over all tensors."""

    @property
    def memory(self) -> int:
        """The bytes of host memory that a kernel's process may use."""

    def with_memory(self, memory: int) -> Machine:
        """A copy of this machine with another limit on memory (bytes)."""

    def describe(self) -> str:
        """One line for the header: the device and its compilers."""

    def facts(self) -> Mapping[str, str | int | None]:
        """Facts about the machine for reports. Results may depend on them."""

    def sandbox(self, library: Path, timeout: float, source_name: str) -> Sandbox:
        """A sandbox for a library. ``timeout`` (s) is the limit for each call; ``source_name`` is the source's name in
        debug information.
        """


@functools.lru_cache(maxsize=8)
def identity(machine: Machine) -> tuple[str, ...]:
    """Texts that identify a machine. If they change, stored results may not hold any more."""
    return machine.device, json.dumps(dict(machine.facts()), sort_keys=True, default=str)


def processor() -> str:
    """The processor's name, from /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
