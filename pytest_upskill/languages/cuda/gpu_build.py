"""Builds kernels for a GPU with nvcc, or checks that they compile for a GPU. Needs no GPU.

Once per machine and toolkit, the host's compiler builds the driver as one object. For each kernel, nvcc compiles the
student's source with the generated entry in a sandbox, for all architectures. All names of this object except the entry
become local, so a student's ``cudaMemcpy`` or ``upskill_call`` replaces no function of ours or CUDA's. Then the object
is linked with the driver and the static CUDA runtime into one library.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pytest_upskill.build import toolchain
from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.build.compilation import DEFAULT_LIMITS, CachedCompiler, CompileLimits
from pytest_upskill.build.messages import ENTRY_NAME, SOURCE_NAME
from pytest_upskill.build.nvcc import (
    LANGUAGE_FLAGS,
    Toolkit,
    check_architecture,
    find_nvcc,
    find_toolkit,
    kernel_resources,
)
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda.cpu_build import LIBRARY, NATIVE, build_of, trusted
from pytest_upskill.native import ENTRY
from pytest_upskill.records import Build
from pytest_upskill.sandbox.confinement import Confinement

STUDENT_FLAGS = (*LANGUAGE_FLAGS, "-O2", "-w", "-lineinfo", "-Xptxas=-v", "-Xcompiler=-fPIC,-fvisibility=hidden")
"""The flags of a student's unit. None of them loosens arithmetic, and the user cannot change them."""

_DRIVER = "driver.o"
_DRIVER_SOURCES = (NATIVE / "driver.cpp", NATIVE / "cuda" / "device.cpp", NATIVE / "cuda" / "launcher.cpp")
_DRIVER_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror")
_DRIVER_HEADERS = tuple(sorted(NATIVE.glob("*.h")))
_EXPORTS = NATIVE / "cuda" / "exports.map"
_CALL = "upskill_call"
KERNEL = "kernel.o"
"""The file name of the student's own object, which lies beside the library."""

CALLS = (
    "__cudaLaunchKernel", "cudaLaunchKernel", "cudaLaunchKernelExC", "cudaLaunchCooperativeKernel", "cudaMemcpy",
    "cudaMemcpyAsync", "cudaMemcpy2D", "cudaMemcpy2DAsync", "cudaMemcpyFromSymbol", "cudaMemcpyFromSymbolAsync",
)  # fmt: skip
"""Functions of the CUDA runtime whose calls native/cuda/launcher.cpp counts, if the student's object makes them."""

_COUNTED = "upskill_counted_"


class CudaCompiler(CachedCompiler):
    """Builds kernels for some architectures."""

    def __init__(
        self, architectures: Sequence[str], cache: Cache | None = None, limits: CompileLimits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(cache, limits)
        self.architectures = tuple(architectures)

    def build(self, source: str, entry: str, *, confinement: Confinement) -> Build:
        """Build a kernel. Raises ToolchainError or SandboxError for problems of the machine."""
        began = time.monotonic()
        toolkit, host = find_toolkit(), toolchain.find_compiler()
        for architecture in self.architectures:
            check_architecture(architecture, toolkit)
        driver = self.prepare()
        script = _script(toolkit, host, self.architectures, driver)
        portable = toolkit.nvcc.key(script.replace(str(NATIVE), "NATIVE"))

        def make(folder: Path) -> Made:
            made, output = self._compile(
                folder,
                (LIBRARY, KERNEL),
                script,
                _unit(source, entry),
                entry=entry,
                readable=[*toolkit.nvcc.folders, toolkit.include, toolkit.libraries, driver.parent, NATIVE],
                path=[toolkit.nvcc.program.parent, host.program.parent],
                confinement=confinement,
            )
            kernels = json.dumps([asdict(kernel) for kernel in kernel_resources(output)])
            return replace(made, facts=replace(made.facts, data=kernels))

        key = key_of("cuda", source, entry, portable, host.identity, _files_key(), confinement.level)
        return build_of(self._cache.get(key, make), toolkit.nvcc.describe(), began, KERNEL)

    def prepare(self) -> Path:
        """The driver's object, from the cache if possible. Building it takes a second. Raises ToolchainError."""
        toolkit, host = find_toolkit(), toolchain.find_compiler()
        key = key_of("cuda-driver", toolkit.nvcc.identity, host.identity, _files_key())
        made = self._cache.get(key, lambda folder: _driver(folder, toolkit, host))
        if not made.facts.ok:
            raise ToolchainError(f"the cuda device's driver does not compile here: {made.facts.message}")
        return made.folder / _DRIVER


def _unit(source: str, entry: str) -> dict[str, str]:
    return {SOURCE_NAME: f'{source}\n#line 1 "{ENTRY_NAME}"\n{entry}\n'}


@functools.cache
def _files_key() -> str:
    files = (*_DRIVER_SOURCES, *_DRIVER_HEADERS, _EXPORTS)
    return key_of(*(file.read_bytes() for file in files), *_DRIVER_FLAGS)


def _script(toolkit: Toolkit, host: toolchain.Compiler, architectures: Sequence[str], driver: Path) -> str:
    """The shell script that compiles, demangles the names in messages, makes the student's names local, and links."""
    targets = [
        word
        for architecture in architectures
        for word in ("-gencode", f"arch={architecture.replace('sm_', 'compute_')},code={architecture}")
    ]
    threads = ["--threads", str(len(architectures))] if len(architectures) > 1 else []
    nvcc = [str(toolkit.nvcc.program), f"-ccbin={host.program}", *STUDENT_FLAGS, *targets, *threads]
    compile_line = shlex.join([*nvcc, "-c", SOURCE_NAME, "-o", "student.o"])
    hide_line = " && ".join(shlex.join(line) for line in _closed(host, ["student.o"], KERNEL, [ENTRY]))
    exports = [f"-Wl,--version-script={_EXPORTS}", f"-Wl,--require-defined={ENTRY}", f"-Wl,--require-defined={_CALL}"]
    renamed = [f"--redefine-sym={name}={_COUNTED}{name}" for name in CALLS]
    count_line = shlex.join(["objcopy", *renamed, KERNEL, "counted.o"])
    link = [str(host.program), "-shared", "counted.o", str(driver), "-o", LIBRARY, "-Wl,-z,defs", *exports]
    link_line = shlex.join([*link, str(toolkit.libraries / "libcudart_static.a"), "-ldl", "-lrt", "-lpthread"])
    return (
        f"{compile_line} >messages 2>&1; status=$?\n"
        "{ c++filt <messages || cat messages; } >readable\n"
        "[ $status -eq 0 ] || { cat readable; exit 1; }\n"
        f"{hide_line} && {count_line} && {link_line} && cat readable"
    )


def _driver(folder: Path, toolkit: Toolkit, host: toolchain.Compiler) -> Made:
    """Build the driver as one object. This needs no sandbox, because the code is our own."""
    objects = [folder / f"{number}.o" for number in range(len(_DRIVER_SOURCES))]
    common = [str(host.program), *_DRIVER_FLAGS, f"-I{NATIVE}", f"-isystem{toolkit.include}", "-c"]
    lines = [[*common, str(source), "-o", str(target)] for source, target in zip(_DRIVER_SOURCES, objects, strict=True)]
    shown = [_CALL, *(f"{_COUNTED}{name}" for name in CALLS)]
    for line in (*lines, *_closed(host, [str(part) for part in objects], str(folder / _DRIVER), shown)):
        made = trusted(line, host, folder)
        if not made.facts.ok:
            return made
    for part in objects:
        part.unlink()
    return Made(Facts())


def _closed(host: toolchain.Compiler, parts: Sequence[str], made: str, shown: Sequence[str]) -> list[list[str]]:
    """Commands that join objects into one object whose only global names are ``shown``. The result has no section
    groups, because a linker would merge an inline function that both objects have, and thereby replace one with the
    other.
    """
    joined = f"{made}.joined"
    return [
        [str(host.program), "-nostdlib", "-r", "-Wl,--force-group-allocation", *parts, "-o", joined],
        ["objcopy", *(f"--keep-global-symbol={name}" for name in shown), joined, made],
        ["rm", joined],
    ]


class NvccCheck(CachedCompiler):
    """Checks with nvcc, if it is installed, that a kernel compiles for a GPU. What nvcc builds never runs.

    The host's compiler accepts kernels that nvcc rejects (a helper without ``__device__``, a host function called in a
    kernel). Therefore nvcc compiles the unchanged source.
    """

    def check(self, source: str, entry: str, *, confinement: Confinement) -> Build | None:
        """A build without a library. Its message is empty if the kernel compiles. None if there is no nvcc."""
        if (nvcc := find_nvcc()) is None:
            return None
        began = time.monotonic()

        def make(folder: Path) -> Made:
            path = [nvcc.program.parent, toolchain.find_compiler().program.parent]
            options = {"entry": entry, "readable": nvcc.folders, "path": path, "confinement": confinement}
            return self._compile(folder, (), nvcc.script, _unit(source, entry), **options)[0]

        made = self._cache.get(key_of("nvcc", source, entry, nvcc.key(nvcc.script), confinement.level), make)
        seconds = time.monotonic() - began
        return Build(None, made.facts.message, (nvcc.describe(),), seconds, cached=not made.fresh)

    def knows(self, source: str, names: Sequence[str], *, confinement: Confinement) -> frozenset[str]:
        """Those of ``names`` that occur in the headers that nvcc reads for the source. Empty without nvcc."""
        if (nvcc := find_nvcc()) is None or not names:
            return frozenset()
        line = shlex.join([str(nvcc.program), *LANGUAGE_FLAGS, "-E", "-Xcompiler", "-dD", SOURCE_NAME])
        in_headers = f"""awk '/^# [0-9]+ "/ {{ own = $3 ~ /{re.escape(SOURCE_NAME)}"/ }} !own'"""
        words = " ".join(f"-e {shlex.quote(name)}" for name in names)
        script = f"{line} 2>/dev/null | {in_headers} | grep -owF {words} | sort -u"
        path = [nvcc.program.parent, toolchain.find_compiler().program.parent]
        options = {"entry": "", "readable": nvcc.folders, "path": path, "confinement": confinement}
        with self._cache.scratch() as folder:
            _, said = self._compile(folder, (), script, {SOURCE_NAME: source}, **options)
        return frozenset(said.split()) & frozenset(names)
