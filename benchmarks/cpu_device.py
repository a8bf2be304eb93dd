"""What the cpu device's checks cost: kernels on 64k elements with all checks, with bounds alone, and with none.

Run: python benchmarks/cpu_device.py [FOLDER...]. Each FOLDER is pytest_upskill/native/cpu of another checkout, whose
device takes part with all of its own checks, so that two states can be compared in one run. They take turns; medians.
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_upskill.native.cpu import flags
from pytest_upskill.native.cpu.rewrite import rewrite

SOURCE = Path(__file__).with_suffix(".cu")
KERNELS = ("add", "softmax", "layer_norm", "matmul", "histogram")
ELEMENTS = 65536
ROUNDS = 9
ALL, BOUNDS, NONE = 0x7FFFFFFF, 3, 0


class Device:
    """One build of the runtime, with the kernels linked to it, and the buffers in its memory."""

    def __init__(self, scratch: Path, sources: Path) -> None:
        scratch.mkdir()
        include = f"-I{sources / 'include'}"
        runtime = scratch / f"lib{scratch.name}.so"  # two libraries of one name would be taken for the same
        shared = (*flags.RUNTIME_FLAGS, *flags.RUNTIME_LINK_FLAGS, f"-Wl,-soname,{runtime.name}")
        compile_with(*shared, include, *sorted((sources / "src").glob("*.cpp")), "-o", runtime)
        unit, compiled, library = scratch / "kernels.cpp", scratch / "kernels.o", scratch / "kernels.so"
        unit.write_text(rewrite(SOURCE.read_text(), SOURCE.name))
        header = ("-include", sources / "include" / flags.PCH_HEADER.name)
        compile_with(*flags.student_flags("gcc"), include, *header, "-c", unit, "-o", compiled)
        compile_with(*flags.LINK_FLAGS, f"-Wl,-rpath,{scratch}", "-o", library, compiled, runtime)
        self.runtime = ctypes.CDLL(str(runtime), mode=ctypes.RTLD_LOCAL)
        self.entry = ctypes.CDLL(str(library)).upskill_entry
        self.pointers = (ctypes.c_void_p * 2)(*(self.buffer(name, name == "x") for name in ("x", "y")))

    def buffer(self, name: str, read_only: bool) -> int:
        base = ctypes.c_void_p()
        size = ctypes.c_size_t(4 * ELEMENTS)
        self.runtime.cudaMalloc(ctypes.byref(base), size)
        self.runtime.cudaMemset(base, 0, size)
        self.runtime.upskill_watch(base, size, name.encode(), 0 if read_only else 1, 1)
        assert base.value
        return base.value

    def run(self, kernel: int, checks: int) -> float:
        """Milliseconds."""
        self.runtime.upskill_configure(0, ctypes.c_uint64(1), checks)
        start = time.perf_counter()
        self.entry(kernel, self.pointers, None)
        seconds = time.perf_counter() - start
        assert self.runtime.cudaGetLastError() == 0
        return 1e3 * seconds


def compile_with(*arguments: object) -> None:
    subprocess.run(["g++", *map(str, arguments)], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        device = Device(Path(folder, "here"), flags.HERE)
        settings = [("all checks", device, ALL), ("bounds", device, BOUNDS), ("none", device, NONE)]
        for number, path in enumerate(sys.argv[1:]):
            settings.append((path, Device(Path(folder, f"other{number}"), Path(path).resolve()), ALL))
        print(f"{'ms':<12}" + "".join(f"{name[-24:]:>26}" for name, _, _ in settings))
        for index, kernel in enumerate(KERNELS):
            report(kernel, [statistics.median(times) for times in zip(*rounds(index, settings), strict=True)])


def rounds(kernel: int, settings: list[tuple[str, Device, int]]) -> list[list[float]]:
    found = [[device.run(kernel, checks) for _, device, checks in settings] for _ in range(ROUNDS + 1)]
    return found[1:]


def report(kernel: str, times: list[float]) -> None:
    cells = [f"{times[0]:26.2f}"] + [f"{value:13.2f} (x{times[0] / value:9.2f})" for value in times[1:]]
    print(f"{kernel:<12}" + "".join(cells))


if __name__ == "__main__":
    main()
