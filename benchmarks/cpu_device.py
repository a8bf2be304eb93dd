"""Cost of the cpu device: builds, fibers, and kernels with all checks, with bounds checks only, and without checks.

Run: python benchmarks/cpu_device.py [--prototype FOLDER] [FOLDER...]. Each FOLDER is pytest_upskill/native/cpu of
another checkout; its device runs with all of its own checks, so one run can compare two versions.
``--prototype`` names a folder with kernels/*.cu, a shim and a build.sh of another such device; its kernels are built
and run by both. The variants alternate; figures are medians.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import other_device

from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.native.cpu import flags

SOURCE = Path(__file__).with_suffix(".cu")
ONE_KERNEL = SOURCE.with_name("cpu_device_one.cu")
KERNELS = ("add", "softmax", "layer_norm", "matmul", "histogram", "softmax of 1M")
BARRIERS, SHUFFLES = len(KERNELS), len(KERNELS) + 1
THREADS, STOPS = 256, 1000
ELEMENTS = 1 << 20
ROUNDS = 9
ALL, BOUNDS, NONE = 0x7FFFFFFF, 3, 0


class Device:
    """One build of the runtime, with the kernels linked to it, and the buffers in its memory."""

    def __init__(self, scratch: Path, sources: Path, checked: bool = True) -> None:
        scratch.mkdir()
        self.checked = checked
        self.scratch, self.flags = scratch, flags_of(sources)
        self.include = f"-I{sources / 'include'}"
        self.library = scratch / f"lib{scratch.name}.so"  # two libraries of one name would be taken for the same
        shared = (*self.flags.RUNTIME_FLAGS, *self.flags.RUNTIME_LINK_FLAGS, f"-Wl,-soname,{self.library.name}")
        compile_with(*shared, self.include, *sorted((sources / "src").glob("*.cpp")), "-o", self.library)
        self.header = scratch / flags.PCH_HEADER.name
        self.header.write_bytes((sources / "include" / flags.PCH_HEADER.name).read_bytes())
        compile_with(*self.student_flags, "-x", "c++-header", self.header, "-o", f"{self.header}.gch")
        self.runtime = ctypes.CDLL(str(self.library), mode=ctypes.RTLD_LOCAL)
        self.entry = ctypes.CDLL(str(self.build(SOURCE))).upskill_entry
        self.pointers = (ctypes.c_void_p * 2)(*(self.buffer(name, 4 * ELEMENTS, name == "x") for name in ("x", "y")))

    @property
    def student_flags(self) -> tuple[str, ...]:
        flags = self.flags.student_flags("gcc")
        if not self.checked:  # as with --no-checks
            flags = (*(flag for flag in flags if not flag.startswith(("-fsanitize", "--param=tsan", "-O"))), "-O2")
        return (*flags, self.include)

    def build(self, source: Path, entry: str = "upskill_entry") -> Path:
        """A kernel's library, compiled and linked as a student's is."""
        unit, compiled, library = (self.scratch / f"{source.stem}{suffix}" for suffix in (".cpp", ".o", ".so"))
        unit.write_text(rewrite(source.read_text(), source.name))
        compile_with(*self.student_flags, "-include", self.header, "-c", unit, "-o", compiled)
        link = [flag for flag in self.flags.LINK_FLAGS if entry == "upskill_entry" or "version-script" not in flag]
        compile_with(*link, f"-Wl,-rpath,{self.scratch}", "-o", library, compiled, self.library)
        return library

    def buffer(self, name: str, size: int, read_only: bool) -> int:
        base = ctypes.c_void_p()
        self.runtime.cudaMalloc(ctypes.byref(base), ctypes.c_size_t(size))
        self.runtime.cudaMemset(base, 0, ctypes.c_size_t(size))
        self.runtime.upskill_watch(base, ctypes.c_size_t(size), name.encode(), 0 if read_only else 1, 1)
        assert base.value
        return base.value

    def configure(self, checks: int) -> None:
        self.runtime.upskill_configure(0, ctypes.c_uint64(1), checks)

    def run(self, kernel: int, checks: int) -> None:
        self.configure(checks)
        self.entry(kernel, self.pointers, None)
        assert self.runtime.cudaGetLastError() == 0


def flags_of(sources: Path) -> ModuleType:
    """How that checkout compiles: its own flags.py."""
    spec = importlib.util.spec_from_file_location(f"flags_of_{abs(hash(sources))}", sources / "flags.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_with(*arguments: object) -> None:
    subprocess.run(["g++", *map(str, arguments)], check=True)


def medians(tasks: Sequence[Callable[[], object]], rounds: int | None = None) -> list[float]:
    """Milliseconds of each task. They alternate; the first round does not count."""

    def once(task: Callable[[], object]) -> float:
        start = time.perf_counter()
        task()
        return 1e3 * (time.perf_counter() - start)

    found = [[once(task) for task in tasks] for _ in range((rounds or ROUNDS) + 1)][1:]
    return [statistics.median(times) for times in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prototype", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="one round, to try the benchmark out")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    global ROUNDS  # noqa: PLW0603
    ROUNDS = 1 if given.quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        devices = {"all checks": Device(scratch / "here", flags.HERE)}
        unchecked = Device(scratch / "unchecked", flags.HERE, checked=False)
        for number, path in enumerate(given.folders):
            devices[str(path)] = Device(scratch / f"other{number}", path.resolve())
        report_builds(devices)
        report_fibers(devices)
        report_kernels(devices, unchecked)
        if given.prototype:
            report_prototype(devices["all checks"], given.prototype, scratch)


def report_builds(devices: dict[str, Device]) -> None:
    print("build of one kernel, with checks and a warm header: at most 250 ms")
    times = medians([lambda device=device: device.build(ONE_KERNEL) for device in devices.values()])  # type: ignore[misc]
    print_row("", times)


def report_fibers(devices: dict[str, Device]) -> None:
    print("\nns for a thread to stop and go on, at a barrier and in a shuffle: at most 15 for the switch")
    for name, kernel in (("barrier", BARRIERS), ("shuffle", SHUFFLES)):
        tasks = [lambda device=device, kernel=kernel: device.run(kernel, ALL) for device in devices.values()]  # type: ignore[misc]
        print_row(name, [1e6 * value / (THREADS * STOPS) for value in medians(tasks)])


def report_kernels(devices: dict[str, Device], unchecked: Device) -> None:
    here, *others = devices.values()
    names = ["all checks", "bounds", "built without", *list(devices)[1:]]
    settings = [(here, ALL), (here, BOUNDS), (unchecked, NONE), *((device, ALL) for device in others)]
    print("\nms a run, and how many times that of each column all checks cost: at most 3 times the build without, for")
    print("kernels with barriers; a million elements in 200 ms")
    print(f"{'':<14}" + "".join(f"{name[-24:]:>26}" for name in names))
    for index, kernel in enumerate(KERNELS):
        tasks = [lambda d=device, i=index, c=checks: d.run(i, c) for device, checks in settings]  # type: ignore[misc]
        print_row(kernel, medians(tasks))


def report_prototype(device: Device, folder: Path, scratch: Path) -> None:
    print("\nthe prototype's kernels on 64k elements, with checks: ms to build and to run, here and there")
    for kernel, rows in other_device.compare(device, folder, scratch, medians):
        print_row(kernel, rows)


def print_row(name: str, times: Sequence[float]) -> None:
    cells = [f"{times[0]:26.2f}"] + [f"{value:13.2f} (x{times[0] / value:9.2f})" for value in times[1:]]
    print(f"{name:<14}" + "".join(cells))


if __name__ == "__main__":
    main()
