"""The machine that kernels are compiled and run on: its device, its compilers, and how cells are confined on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_upskill.build.host import HostCompiler
from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.build.nvcc import NvccCheck
from pytest_upskill.cell.client import Cell, Limits
from pytest_upskill.cell.confine import Confinement, strongest
from pytest_upskill.errors import UsageError
from pytest_upskill.native.cpu.needs import message as needs_message
from pytest_upskill.native.cpu.needs import needs_gpu
from pytest_upskill.records import Build
from pytest_upskill.signature import Signature, entry_source


@dataclass(frozen=True, slots=True)
class Machine:
    """What the ``cpu`` device needs. Without nvcc, kernels are compiled for the host alone."""

    device: str
    compiler: HostCompiler
    nvcc: NvccCheck
    confinement: Confinement

    @classmethod
    def choose(cls, device: str) -> Machine:
        """The machine for ``auto``, ``cuda`` or ``cpu``. Raises UsageError that says what is missing."""
        if device == "cuda":
            raise UsageError(f"--upskill-device=cuda: {_missing_for_cuda()}; use --upskill-device=cpu")
        return cls("cpu", HostCompiler(), NvccCheck(), strongest())

    def describe(self) -> str:
        """One line for the header: the device, and who compiles for it."""
        return f"{self.device} (compiler {self.compiler.describe()}; GPU compiler {self.nvcc.describe()})"

    def facts(self) -> Mapping[str, str | int | None]:
        """For reports: what a result may depend on."""
        return {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "compiler": self.compiler.describe(),
            "nvcc": self.nvcc.describe() if self.nvcc.available() else None,
            "cell": self.confinement.level,
        }

    def build(self, source: str, signature: Signature) -> Build:
        """Compiles a kernel for the host and, beside it, checks that nvcc takes it. Seconds are those of the slower.

        A kernel that the cpu device cannot run is not built: ``needs`` says what it would take.
        """
        if need := needs_gpu(source):
            return Build(library=None, needs=needs_message(need, SOURCE_NAME))
        entry = entry_source(signature)
        with ThreadPoolExecutor(max_workers=1) as pool:
            checking = pool.submit(self.nvcc.check, source, entry, confinement=self.confinement)
            build = self.compiler.build(source, entry, confinement=self.confinement)
            check = checking.result()
        return build if check is None else _both(build, check)

    def cell(self, library: Path, signature: Signature, timeout: float) -> Cell:
        """A cell for a built kernel; ``timeout`` in seconds for each call."""
        return Cell(library, signature, self.confinement, Limits(seconds=timeout))


def _both(host: Build, check: Build) -> Build:
    """One build of two: it is good when both compilers take the kernel; the host's message comes first."""
    compilers, seconds = (*host.compilers, *check.compilers), max(host.seconds, check.seconds)
    if host.ok and check.message:
        return replace(check, compilers=compilers, seconds=seconds)
    return replace(host, compilers=compilers, seconds=seconds, cached=host.cached and check.cached)


def _missing_for_cuda() -> str:
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return "no NVIDIA GPU is visible (there is no /dev/nvidia0)"
    return "this version runs kernels on the cpu device alone, although a GPU is visible"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
