"""Finds this machine's C++ compiler. Runs it once per process, for its version; builds nothing."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_upskill.errors import ToolchainError

CANDIDATES = ("g++", "clang++", *(f"g++-{n}" for n in range(16, 10, -1)), *(f"clang++-{n}" for n in range(22, 13, -1)))
LEAST = {"gcc": 11, "clang": 14}
_ADVICE = (
    "install g++ 11 or later (Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; macOS: the device "
    "needs Linux, as in a container of Debian with g++), or name a compiler in CXX"
)
_PROBE_SECONDS = 20.0
_PROBE = "upskill __clang_major__ __GNUC__"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler: its program, its family, its full version."""

    program: Path
    family: Literal["gcc", "clang"]
    version: str
    identity: str
    """A text that changes when the program changes."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """The compiler's folders, which may lie outside the system's folders."""
        real = self.program.resolve().parent
        return (self.program.parent, real.parent if real.name == "bin" else real)

    def describe(self) -> str:
        """The compiler and its version, such as "g++ 12.2.0"."""
        return f"{'g++' if self.family == 'gcc' else 'clang++'} {self.version}"


def find_compiler(environment: dict[str, str] | None = None) -> Compiler:
    """The compiler that ``CXX`` names or, without ``CXX``, the first of g++ and clang++. Raises ToolchainError."""
    environment = dict(os.environ) if environment is None else environment
    return _find(environment.get("CXX", "").strip(), environment.get("PATH", os.defpath))


def describe() -> str:
    """The compiler in use with its version, such as "g++ 12.2.0", or why there is none."""
    try:
        return find_compiler().describe()
    except ToolchainError as error:
        return f"none ({error})"


@functools.cache
def _find(chosen: str, path: str) -> Compiler:
    if chosen:
        # CXX may hold launchers and options ("ccache g++ -m64"); only the compiler itself is used, so flags stay ours.
        words = [word for word in shlex.split(chosen) if not word.startswith("-")]
        program = shutil.which(words[-1], path=path) if words else None
        if program is None:
            raise ToolchainError(f"CXX is {chosen!r}, which is not a program that can be run; correct or unset it")
        return _probe(program)
    problems = []
    # ccache's links are skipped: it needs a home directory, and builds are cached here anyway.
    path = os.pathsep.join(folder for folder in path.split(os.pathsep) if "ccache" not in folder)
    for name in CANDIDATES:
        if (program := shutil.which(name, path=path)) is not None:
            try:
                return _probe(program)
            except ToolchainError as error:
                problems.append(str(error))
    if problems:
        raise ToolchainError(problems[0])
    raise ToolchainError(f"no C++ compiler was found: the cpu device compiles kernels with one; {_ADVICE}")


def _probe(program: str) -> Compiler:
    output = _run([program, "-E", "-P", "-x", "c++", "-"], _PROBE)
    words = next((line.split() for line in output.splitlines() if line.startswith("upskill ")), None)
    if words is None:
        raise ToolchainError(f"{program!r} does not behave like a C++ compiler (g++ or clang++); {_ADVICE}")
    family: Literal["gcc", "clang"] = "clang" if words[1].isdigit() else "gcc"
    banner = _run([program, "--version"]).splitlines()[0]
    version = _version(banner, _run([program, "-dumpfullversion", "-dumpversion"]) if family == "gcc" else banner)
    if int(version.split(".")[0]) < LEAST[family]:
        raise ToolchainError(
            f"{program!r} is {family} {version}, older than the minimum version {LEAST[family]}; {_ADVICE}"
        )
    path = Path(program).resolve()
    return Compiler(Path(program).absolute(), family, version, f"{path} {path.stat().st_size} {banner}")


@functools.cache
def system_headers(compiler: Compiler) -> tuple[Path, ...]:
    """The folders of the C++ and the C library's headers. Raises ToolchainError."""
    names = ("cstddef", "stdio.h", "sys/types.h")
    said = _run([str(compiler.program), "-E", "-x", "c++", "-"], "".join(f"#include <{name}>\n" for name in names))
    return tuple(dict.fromkeys(Path(found) for found in re.findall(rf'"(/.*)/(?:{"|".join(names)})"', said)))


def _version(banner: str, text: str) -> str:
    found = re.search(r"\d+(\.\d+)*", text) or re.search(r"\d+(\.\d+)+", banner)
    if found is None:
        raise ToolchainError(f"cannot read a version from {banner!r}; {_ADVICE}")
    return found.group(0)


def _run(argv: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"the compiler {argv[0]!r} cannot be run: {error}; {_ADVICE}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise ToolchainError(f"the compiler {argv[0]!r} does not work: {said[0] if said else 'no message'}; {_ADVICE}")
    return done.stdout
