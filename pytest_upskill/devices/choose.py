"""Chooses the device of a run: the requested one, or the best of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_upskill.build import nvcc, toolchain
from pytest_upskill.devices import cuda, gpu
from pytest_upskill.devices.base import Machine, processor
from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import Confinement, strongest
from pytest_upskill.sandbox.message_process import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class CpuMachine:
    """The ``cpu`` device. ``note`` says why a GPU of this machine is not used, if there is one."""

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


def choose(
    device: str, architecture: str | None = None, sanitizer: bool = False, worker: str = "", *, sandbox: str = "auto"
) -> Machine:
    """The machine for ``auto``, ``cuda`` or ``cpu``. ``auto`` takes a GPU that can be used or, without one, the cpu
    device.

    ``architecture`` (``sm_90``) and ``sanitizer`` need a GPU. ``worker`` is pytest-xdist's name for this process.
    ``sandbox`` is ``strict`` if only the strongest confinement is accepted. Raises UsageError that says what is
    missing.
    """
    if sandbox == "strict" and strongest().reason:
        advice = "or leave --upskill-sandbox=strict out, and judge only kernels that you trust"
        problem = f"kernels would be confined by {strongest().describe()}"
        raise UsageError(f"--upskill-sandbox=strict: {problem}; {advice}")
    if device == "cpu" or (device == "auto" and not gpu.nodes()):
        for flag, value in (("--upskill-arch", architecture), ("--upskill-sanitizer", sanitizer)):
            if value:
                missing = "this run uses the cpu device" if device == "cpu" else cuda.NO_GPU
                raise UsageError(f"{flag} is for the cuda device, and {missing}; leave it out")
        return CpuMachine("cpu", strongest())
    try:
        return cuda.find(architecture, sanitizer, worker)
    except InfrastructureError as error:
        if device == "auto" and not (architecture or sanitizer):
            return CpuMachine("cpu", strongest(), f"cuda cannot be used: {error}")
        raise UsageError(f"--upskill-device={device}: {error}; or use --upskill-device=cpu") from None
