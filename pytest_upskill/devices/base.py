"""What every device offers to the packages above: ``Machine``. Knows none of the devices."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pytest_upskill.contracts.launcher.signature import Signature
from pytest_upskill.records import Build
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import Confinement


class Machine(Protocol):
    """A device with its compilers."""

    @property
    def device(self) -> str: ...

    @property
    def confinement(self) -> Confinement: ...

    @property
    def largest(self) -> int:
        """Elements of the largest examples, all tensors together."""

    def describe(self) -> str:
        """One line for the header: the device, and who compiles for it."""

    def facts(self) -> Mapping[str, str | int | None]:
        """For reports: what a result may depend on."""

    def build(self, source: str, signature: Signature, *, checked: bool = True) -> Build:
        """Compiles a kernel; where it is not ``checked``, with no other compiler than the one that it runs with.

        Raises ToolchainError or CellError for what is not the kernel's fault.
        """

    def sandbox(self, library: Path, signature: Signature, timeout: float) -> Sandbox:
        """A cell for a built kernel; ``timeout`` in seconds for each call."""


def processor() -> str:
    """The name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
