"""The cpu device as the tests of its native code see it, called through tests/native/harness.py.

The runtime and the precompiled header are those with which kernels are built, from the same cache.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.native.cpu import flags

KERNELS = Path(__file__).resolve().parents[1] / "native"
SOURCES = sorted(KERNELS.glob("*.cu"))
FEATURES = sorted(KERNELS.glob("features/*.cu"))
BUGS = sorted(KERNELS.glob("bugs/*.cu"))
Array = NDArray[Any]
FRESH = "fresh_"
"""How the names of buffers begin that a kernel must not read before it writes them."""


@dataclass(frozen=True)
class Result:
    """What a call left behind: its buffers, the CUDA error, and (assertion, kind, line, message) of each report."""

    buffers: list[Array]
    error: int
    reports: list[tuple[str, str, int | None, str]]


@dataclass(frozen=True)
class Device:
    """The runtime and the precompiled header."""

    runtime: Path
    header: Path

    def build(self, source: Path) -> Path:
        """The library of a test kernel, from the cache, which evicts it like any other build."""
        text = rewrite(source.read_text(), source.name)

        def compile_kernel(folder: Path) -> Made:
            library, unit, compiled = (folder / f"kernel.{suffix}" for suffix in ("so", "cpp", "o"))
            unit.write_text(text)
            include = ["-include", str(self.header / flags.PCH_HEADER.name), f"-iquote{source.parent}"]
            gxx(*flags.student_flags("gcc"), *include, *folders(), "-c", unit, "-o", compiled)
            gxx(*flags.LINK_FLAGS, "-o", library, compiled, self.runtime)
            unit.unlink()
            compiled.unlink()
            return Made(Facts())

        headers = [path.read_bytes() for path in sorted(source.parent.glob("*.h"))]
        key = key_of("native test", self.runtime.parent.name, text, *headers)
        return Cache().get(key, compile_kernel).folder / "kernel.so"

    def run(self, name: str, *calls: dict[str, Any]) -> list[Result]:
        """Calls the entry of a test kernel in a process of its own; buffers are numpy arrays, by name."""
        return self.run_libraries([self.build(KERNELS / f"{name}.cu")], *calls)

    def run_libraries(self, libraries: Sequence[Path], *calls: dict[str, Any]) -> list[Result]:
        """The same for several libraries in one process; each call's "library" is an index."""
        request = [{**call, "buffers": [plain(*item) for item in call["buffers"].items()]} for call in calls]
        ran = subprocess.run(
            [sys.executable, "-S", KERNELS / "harness.py", self.runtime, *libraries],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=300,  # all features in three orders, on a machine that has other work too
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return [
            result_of(libraries[call.get("library", 0)], call, answer)
            for answer, call in zip(json.loads(ran.stdout), calls, strict=True)
        ]


def result_of(library: Path, call: dict[str, Any], answer: dict[str, Any]) -> Result:
    buffers = [
        np.frombuffer(bytes.fromhex(data), array.dtype)
        for data, array in zip(answer["buffers"], call["buffers"].values(), strict=True)
    ]
    reports = [
        (kind, name, line_of(library, pc), with_lines(library, text)) for kind, name, pc, text in answer["reports"]
    ]
    return Result(buffers, answer["error"], reports)


def gxx(*arguments: object) -> None:
    ran = subprocess.run(["g++", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def folders() -> list[str]:
    return [f"-I{folder}" for folder in flags.INCLUDE_FOLDERS]


def plain(name: str, array: Array) -> dict[str, Any]:
    written = not name.startswith(FRESH)
    return {"name": name, "data": array.tobytes().hex(), "read_only": not array.flags.writeable, "written": written}


def read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


@functools.cache
def line_of(library: Path, pc: str) -> int | None:
    if pc == "0":
        return None
    frames = subprocess.run(["addr2line", "-i", "-e", library, pc], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\.cu:(\d+)", frames)
    return int(found[1]) if found else None


def with_lines(library: Path, text: str) -> str:
    return re.sub("<(0x[0-9a-f]+)>", lambda place: f"line {line_of(library, place[1])}", text)


@pytest.fixture(scope="session")
def device() -> Device:
    """Built once for each state of the native sources."""
    toolkit = HostCompiler().prepare()
    return Device(toolkit.runtime, toolkit.header)


def silent(result: Result) -> Result:
    assert result.reports == []
    assert result.error == 0
    return result


ORDERS = [pytest.param(0, id="forward"), pytest.param(1, id="reverse"), pytest.param(2, id="random")]
