"""The machine that kernels are compiled and run on: its device, its compilers, and how cells are confined on it.

``Machine`` is what the rooms above see of it, whichever device was chosen; ``CpuMachine`` is the device ``cpu``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pytest_upskill.build.messages import SOURCE_NAME, unknown_name
from pytest_upskill.build.nvcc import NvccCheck
from pytest_upskill.contracts.launcher.signature import Signature, entry_source
from pytest_upskill.devices import gpu
from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.languages.cuda.gpu_features import message as needs_message
from pytest_upskill.languages.cuda.gpu_features import needs_gpu
from pytest_upskill.records import Build
from pytest_upskill.sandbox.client import Limits, Sandbox
from pytest_upskill.sandbox.confinement import Confinement, strongest


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


def choose(
    device: str, architecture: str | None = None, sanitizer: bool = False, worker: str = "", *, sandbox: str = "auto"
) -> Machine:
    """The machine for ``auto``, ``cuda`` or ``cpu``. ``auto`` takes a GPU that can be used, else the cpu device.

    ``architecture`` (``sm_90``) and ``sanitizer`` are for a GPU alone; ``worker`` is pytest-xdist's name for this
    process; ``cell`` is ``strict`` where nothing but the strongest confinement will do. Raises UsageError that says
    what is missing.
    """
    from pytest_upskill.devices import cuda as cuda_machine

    if sandbox == "strict" and strongest().reason:
        raise UsageError(
            f"--upskill-cell=strict: kernels would be confined by {strongest().describe()}; "
            "or leave --upskill-cell=strict out, and judge only kernels that you trust"
        )

    if device == "cpu" or (device == "auto" and not gpu.nodes()):
        for flag, value in (("--upskill-arch", architecture), ("--upskill-sanitizer", sanitizer)):
            if value:
                missing = "this run uses the cpu device" if device == "cpu" else cuda_machine.NO_GPU
                raise UsageError(f"{flag} is for the cuda device, and {missing}; leave it out")
        return CpuMachine("cpu", HostCompiler(), NvccCheck(), strongest())
    try:
        return cuda_machine.find(architecture, sanitizer, worker)
    except InfrastructureError as error:
        if device == "auto" and not (architecture or sanitizer):
            note = f"cuda cannot be used: {error}"
            return CpuMachine("cpu", HostCompiler(), NvccCheck(), strongest(), note)
        raise UsageError(f"--upskill-device={device}: {error}; or use --upskill-device=cpu") from None


@dataclass(frozen=True, slots=True)
class CpuMachine:
    """What the ``cpu`` device needs. Without nvcc, kernels are compiled for the host alone.

    ``note`` says why a GPU that seems to be there is not used.
    """

    device: str
    compiler: HostCompiler
    nvcc: NvccCheck
    confinement: Confinement
    note: str = ""
    largest: int = 1 << 20

    def describe(self) -> str:
        """One line for the header: the device, and who compiles for it."""
        note = f"; {self.note}" if self.note else ""
        return f"{self.device} (compiler {self.compiler.describe()}; GPU compiler {self.nvcc.describe()}{note})"

    def facts(self) -> Mapping[str, str | int | None]:
        """For reports: what a result may depend on."""
        return {
            "processor": processor(),
            "cores": os.cpu_count(),
            "compiler": self.compiler.describe(),
            "nvcc": self.nvcc.describe() if self.nvcc.available() else None,
            "cell": self.confinement.level,
        }

    def build(self, source: str, signature: Signature, *, checked: bool = True) -> Build:
        """Compiles a kernel for the host and, beside it, checks that nvcc takes it. Seconds are those of the slower.

        A kernel that the cpu device cannot run is not built: ``needs`` says what it would take.
        """
        if need := needs_gpu(source):
            return Build(library=None, needs=needs_message(need, SOURCE_NAME))
        entry = entry_source(signature)
        if not checked:
            return self.compiler.build(source, entry, confinement=self.confinement)
        with ThreadPoolExecutor(max_workers=1) as pool:
            checking = pool.submit(self.nvcc.check, source, entry, confinement=self.confinement)
            build = self.compiler.build(source, entry, confinement=self.confinement)
            check = checking.result()
        return build if check is None else _both(build, check)

    def sandbox(self, library: Path, signature: Signature, timeout: float) -> Sandbox:
        """A cell for a built kernel; ``timeout`` in seconds for each call."""
        return Sandbox(library, signature, self.confinement, Limits(seconds=timeout))


def _both(host: Build, check: Build) -> Build:
    """One build of two: it is good when both compilers take the kernel; the host's message comes first.

    A name that nvcc knows and the host's compiler does not is a gap of the cpu device, and no fault of the kernel.
    """
    compilers, seconds = (*host.compilers, *check.compilers), max(host.seconds, check.seconds)
    if host.ok and check.message:
        return replace(check, compilers=compilers, seconds=seconds)
    if not host.ok and not check.message and (unknown := unknown_name(host.message)):
        host = replace(host, needs=needs_message(unknown, SOURCE_NAME))
    return replace(host, compilers=compilers, seconds=seconds, cached=host.cached and check.cached)


def processor() -> str:
    """The name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
