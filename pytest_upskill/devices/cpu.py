"""The device ``cpu``: CUDA C++ compiled for the host and run there, in sandboxes. Knows no GPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_upskill.build.messages import SOURCE_NAME, unknown_name
from pytest_upskill.build.nvcc import NvccCheck
from pytest_upskill.contracts.launcher.signature import Signature, entry_source
from pytest_upskill.devices.base import processor
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.languages.cuda.gpu_features import message as needs_message
from pytest_upskill.languages.cuda.gpu_features import needs_gpu
from pytest_upskill.records import Build
from pytest_upskill.sandbox.client import Limits, Sandbox
from pytest_upskill.sandbox.confinement import Confinement


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
