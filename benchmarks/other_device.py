"""Kernels of a prototype of a cpu device, built and run by it and by ours, alternating. For cpu_device.py."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

ELEMENTS = 65536
FLOATS = 4 * ELEMENTS

# Of each kernel: the sizes of its buffers in bytes, the output last; and what follows them.
KERNELS: dict[str, tuple[tuple[int, ...], tuple[object, ...]]] = {
    "vadd": ((FLOATS, FLOATS, FLOATS), (ELEMENTS,)),
    "gelu": ((FLOATS, 4096, FLOATS), (64, 1024)),
    "softmax": ((FLOATS, FLOATS), (64, 1024)),
    "layernorm": ((FLOATS, 4096, 4096, FLOATS), (64, 1024, ctypes.c_float(1e-5))),
    "matmul": ((16384, 16384, 16384), (64, 64, 64)),
    "hist": ((ELEMENTS, 4096), (ELEMENTS,)),
}

Timer = Callable[[Sequence[Callable[[], object]]], list[float]]


class Device(Protocol):
    """What builds and runs kernels here; cpu_device.py has ours."""

    def build(self, source: Path, entry: str = ...) -> Path: ...

    def buffer(self, name: str, size: int, read_only: bool) -> int: ...

    def configure(self, checks: int) -> None: ...


class Prototype:
    """The other device, in a writable copy of its folder."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = scratch / "prototype"
        shutil.copytree(folder, self.folder)
        runtime = self.folder / "libcudacpu.so"
        command = ["g++", "-std=c++20", "-O2", "-g1", "-fPIC", "-shared", "-ffp-contract=off", "-w"]
        subprocess.run([*command, "-o", runtime, self.folder / "shim" / "cudacpu_rt.cpp"], check=True)
        self.runtime = ctypes.CDLL(str(runtime), mode=ctypes.RTLD_LOCAL)
        self.runtime.cc_config(0, ctypes.c_uint64(1), 1)

    def build(self, kernel: str) -> Path:
        library = self.folder / f"{kernel}.so"
        environment = {**os.environ, "EXTRA": "-fsanitize=alignment,bounds -w"}
        command = ["bash", self.folder / "build.sh", kernel, "g++", "-O1", "tsan", library]
        subprocess.run(command, check=True, env=environment)
        return library

    def buffer(self, name: str, size: int, read_only: bool) -> int:
        base = ctypes.c_void_p()
        self.runtime.cc_malloc(ctypes.byref(base), ctypes.c_size_t(size))
        assert base.value
        ctypes.memset(base, 0, size)
        width = 1 if size == ELEMENTS else 4
        self.runtime.cc_track(base, ctypes.c_size_t(size), width, int(read_only), 1, name.encode())
        return base.value


def compare(ours: Device, folder: Path, scratch: Path, timer: Timer) -> Iterator[tuple[str, list[float]]]:
    """For each kernel the milliseconds of a build and of a run, ours first."""
    theirs = Prototype(folder, scratch)
    for kernel, (sizes, rest) in KERNELS.items():
        source = folder / "kernels" / f"{kernel}.cu"
        yield f"{kernel}, build", timer([lambda s=source: ours.build(s, "run"), lambda k=kernel: theirs.build(k)])  # type: ignore[misc]
        runs = [caller(ours.build(source, "run"), ours, sizes, rest), caller(theirs.build(kernel), theirs, sizes, rest)]
        ours.configure(0x7FFFFFFF)
        yield f"{kernel}, run", timer(runs)


def caller(
    library: Path, device: Device | Prototype, sizes: Sequence[int], rest: Sequence[object]
) -> Callable[[], object]:
    run = ctypes.CDLL(str(library)).run
    names = [f"b{number}" for number in range(len(sizes))]
    last = names[-1]
    buffers = [
        ctypes.c_void_p(device.buffer(name, size, name != last)) for name, size in zip(names, sizes, strict=True)
    ]
    return lambda: run(*buffers, *rest, ctypes.c_void_p(0))
