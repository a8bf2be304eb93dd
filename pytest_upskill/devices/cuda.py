"""The device ``cuda``: a GPU of this machine, nvcc for it, and sandboxes with access to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_upskill.build import nvcc
from pytest_upskill.build.nvcc import Toolkit
from pytest_upskill.devices import gpu
from pytest_upskill.devices.base import processor
from pytest_upskill.devices.gpu import Gpu
from pytest_upskill.errors import ToolchainError
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.compute_sanitizer import Sanitizer
from pytest_upskill.sandbox.confinement import Confinement, strongest
from pytest_upskill.sandbox.message_process import Limits

NO_GPU = "no NVIDIA GPU is visible (there is no /dev/nvidia0)"

_MEMORY = 16 << 30
"""The limit, in bytes, of host memory, and of the tensors of one call. It is larger than on the cpu device, because
examples are larger.
"""


@dataclass(frozen=True, slots=True)
class CudaMachine:
    """One GPU, with its compiler and its sandboxes."""

    device: str
    gpu: Gpu
    architectures: tuple[str, ...]
    confinement: Confinement
    sanitizer: Sanitizer | None = None
    largest: int = 1 << 22
    memory: int = _MEMORY

    @property
    def _scratch(self) -> int:
        """The bytes of device memory that a launcher may use besides its tensors."""
        return self.gpu.memory // 2

    def describe(self) -> str:
        watched = f"; {self.sanitizer.describe()}" if self.sanitizer else ""
        return f"{self.device} ({self.gpu.describe()}; compiler {nvcc.describe_toolkit(self.architectures)}{watched})"

    def facts(self) -> Mapping[str, str | int | None]:
        return {
            "processor": processor(),
            "cores": os.cpu_count(),
            "gpu": self.gpu.name,
            "gpu_memory": self.gpu.memory,
            "gpu_memory_limit": self._scratch,
            "architecture": ", ".join(self.architectures),
            "driver": ".".join(map(str, self.gpu.driver)),
            "nvcc": nvcc.describe_toolkit(self.architectures),
            "sanitizer": self.sanitizer.describe() if self.sanitizer else None,
            "cell": self.confinement.level,
        }

    def sandbox(self, library: Path, timeout: float, source_name: str) -> Sandbox:
        """A sandbox with access to the GPU. ``timeout`` (s) is the limit for each call; it is extended under
        compute-sanitizer.
        """
        seconds = timeout * (self.sanitizer.slowdown if self.sanitizer else 1)
        limits = Limits(seconds=seconds, memory=self.memory, file_size=256 << 20, scratch_memory=self._scratch)
        access = self.sanitizer.around(self.gpu.access()) if self.sanitizer else self.gpu.access()
        return Sandbox(library, self.confinement, limits, gpu=access, source_name=source_name)

    def with_memory(self, memory: int) -> CudaMachine:
        return replace(self, memory=memory)


def find(architecture: str | None, sanitizer: bool, worker: str) -> CudaMachine:
    """This worker's GPU with its toolkit. Raises ToolchainError that says what is missing."""
    if not gpu.nodes():
        raise ToolchainError(NO_GPU)
    chosen = gpu.share(gpu.find(), worker)
    toolkit = nvcc.find_toolkit()
    gpu.check_driver(chosen, toolkit.nvcc.version)
    architectures = (architecture or chosen.architecture,)
    nvcc.check_architecture(architectures[0], toolkit)
    return CudaMachine("cuda", chosen, architectures, strongest(), _sanitizer(toolkit) if sanitizer else None)


def _sanitizer(toolkit: Toolkit) -> Sanitizer:
    beside = toolkit.nvcc.program.with_name("compute-sanitizer")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("compute-sanitizer")
    if program is None:
        problem = "--upskill-sanitizer needs compute-sanitizer, which is not installed; it is part of CUDA's toolkit"
        raise ToolchainError(problem)
    return Sanitizer(Path(program))
