"""Finds, in a separate process, this machine's GPUs and what a sandbox needs to use one."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.errors import ToolchainError
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, GpuAccess, python

PROBE = Path(__file__).resolve().with_name("gpu_probe.py")

_SECONDS = 60.0
_PASSED_ON = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES")
_NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps", "dxg")
_READABLE = ("/sys", "/proc/driver/nvidia")
"""Paths where the driver reads about the hardware. Containers mount the second path over the host's."""
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``visible`` is its name in CUDA_VISIBLE_DEVICES, ``driver`` the CUDA version of its driver."""

    visible: str
    name: str
    architecture: str
    memory: int
    driver: tuple[int, int]
    library: Path

    def describe(self) -> str:
        """The GPU's facts, such as "NVIDIA H200, sm_90, 139 GiB, driver for CUDA 13.0"."""
        driver = ".".join(map(str, self.driver))
        return f"{self.name}, {self.architecture}, {self.memory / 2**30:.0f} GiB, driver for CUDA {driver}"

    def access(self) -> GpuAccess:
        """What a sandbox needs to use this GPU, and no other."""
        # If only one device is visible, it is device 0 of the process.
        environment = {"CUDA_VISIBLE_DEVICES": self.visible, "CUDA_CACHE_DISABLE": "1"}
        if order := os.environ.get("CUDA_DEVICE_ORDER"):
            environment["CUDA_DEVICE_ORDER"] = order
        folder = self.library.parent
        if str(folder) not in _SYSTEM_LIBRARIES:
            environment["LD_LIBRARY_PATH"] = str(folder)
        readable = [Path(name) for name in _READABLE if Path(name).exists()]
        return GpuAccess(nodes(), (*readable, folder, self.library.resolve().parent), environment)


def nodes(root: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device files of NVIDIA's driver; empty without a GPU. It is fast, because it only lists a folder."""
    return tuple(sorted(path for pattern in _NODES for path in root.glob(pattern)))


@functools.cache
def find() -> tuple[Gpu, ...]:
    """All visible GPUs, in the order of CUDA_VISIBLE_DEVICES. Raises ToolchainError if there are none."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    ran = process.run([python(), "-I", "-S", str(PROBE)], environment={**ENVIRONMENT, **passed}, seconds=_SECONDS)
    if ran.timed_out:
        raise ToolchainError(f"the GPU's driver did not answer within {_SECONDS:g} s; see whether nvidia-smi does")
    try:
        said = json.loads(ran.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        problem = f"the GPU's driver ended the process that asked it (status {ran.status}): {ran.output[-200:]!r}"
        raise ToolchainError(f"{problem}; see whether nvidia-smi works") from None
    return read(said, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read(said: Mapping[str, Any], visible: str | None) -> tuple[Gpu, ...]:
    """Convert the probe's answer to GPUs. Raises ToolchainError."""
    if "error" in said:
        raise ToolchainError(_explained(str(said["error"])))
    names = [part.strip() for part in visible.split(",")] if visible else []
    version = int(said["driver"])
    found = tuple(
        Gpu(
            visible=names[index] if index < len(names) else str(index),
            name=str(device["name"]),
            architecture=f"sm_{device['capability'][0]}{device['capability'][1]}",
            memory=int(device["memory"]),
            driver=(version // 1000, version % 1000 // 10),
            library=Path(said["library"]),
        )
        for index, device in enumerate(said["devices"])
    )
    if not found:
        raise ToolchainError("the driver sees no GPU; is CUDA_VISIBLE_DEVICES set to something else?")
    return found


def check_driver(gpu: Gpu, toolkit: str) -> None:
    """Raise ToolchainError if the driver's major version is older than the major version of a toolkit ("13.0")."""
    if gpu.driver[0] < int(toolkit.partition(".")[0]):
        served = ".".join(map(str, gpu.driver))
        raise ToolchainError(
            f"the driver of {gpu.name} serves CUDA {served} and is older than nvcc {toolkit}; update the driver, or "
            f"set CUDA_HOME to a toolkit of CUDA {gpu.driver[0]}"
        )


def share(gpus: tuple[Gpu, ...], worker: str) -> Gpu:
    """The GPU of one worker of pytest-xdist. ``worker`` is its name ("gw3"), empty without xdist. Workers use the GPUs
    in turn.
    """
    number = int(worker.removeprefix("gw")) if worker.removeprefix("gw").isdigit() else 0
    return gpus[number % len(gpus)]


def _explained(error: str) -> str:
    if "libcuda.so.1" in error:
        return (
            "a GPU's device file is there, but no driver's library (libcuda.so.1); install the driver, or start the "
            "container with --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        )
    if "NO_DEVICE" in error:
        return (
            f"the driver sees no GPU: {error}; is CUDA_VISIBLE_DEVICES empty, or the GPU not passed to the container?"
        )
    return (
        f"the GPU's driver does not work: {error}; see whether nvidia-smi does, and restart the machine after an update"
    )
