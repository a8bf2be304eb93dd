"""The device ``cpu``: kernels run on the host, in sandboxes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_upskill.build import nvcc, toolchain
from pytest_upskill.devices.base import processor
from pytest_upskill.sandbox.client import Limits, Sandbox
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.worker_process import DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class CpuMachine:
    """The ``cpu`` device. Without nvcc, kernels are compiled for the host only.

    ``note`` says why the GPU of this machine is not used.
    """

    device: str
    confinement: Confinement
    note: str = ""
    largest: int = 1 << 20
    architectures: tuple[str, ...] = ()
    memory: int = DEFAULT_LIMITS.memory

    def describe(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return f"{self.device} (compiler {toolchain.describe()}; GPU compiler {nvcc.describe()}{note})"

    def facts(self) -> Mapping[str, str | int | None]:
        return {
            "processor": processor(),
            "cores": os.cpu_count(),
            "compiler": toolchain.describe(),
            "nvcc": nvcc.describe() if nvcc.find_nvcc() else None,
            "cell": self.confinement.level,
        }

    def sandbox(self, library: Path, timeout: float, source_name: str) -> Sandbox:
        return Sandbox(library, self.confinement, Limits(seconds=timeout, memory=self.memory), source_name=source_name)

    def with_memory(self, memory: int) -> CpuMachine:
        return replace(self, memory=memory)
