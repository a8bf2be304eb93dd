"""Compiles the sources of a project against PyTorch's headers, which are precompiled once per machine and shared.

The same options as kernel-builder's: the C++ standard by the version of torch, Python's limited API, no unique symbols.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shlex
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pytest_upskill.build import toolchain
from pytest_upskill.build.cache import Cache, Made, key_of
from pytest_upskill.build.compilation import CachedCompiler, CompileLimits
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda.cpu_build import NATIVE, trusted
from pytest_upskill.languages.torch_extension.build_toml import BuildToml
from pytest_upskill.languages.torch_extension.generated import REGISTRATION
from pytest_upskill.languages.torch_extension.project import COMPILED
from pytest_upskill.sandbox.confinement import Confinement

LIBRARY = "library.so"
ALL = NATIVE / "torch" / "all"
"""The folder of a ``torch/all.h`` that leaves out what no operator needs."""
LIMITED_API = "3.9"
LIMITS = CompileLimits(seconds=240.0, elapsed=1200.0)
PRECOMPILE_SECONDS = 1800.0
"""PyTorch's headers take half a minute of a processor."""
_PRECOMPILED = {
    "all": ("torch/all.h", "torch/torch.h"),
    "library": ("torch/library.h",),
}
"""The precompiled headers: the first of the headers that a source must include is what is precompiled."""
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.MULTILINE)
_IGNORED = re.compile(r"-(?:O|g\Z|std=)")


@dataclass(frozen=True, slots=True)
class Headers:
    """What sources are compiled against, found without importing torch."""

    torch: Path
    version: str
    python: Path

    @property
    def standard(self) -> int:
        major, minor = self.version.split(".")[:2]
        return 20 if (int(major), int(minor)) >= (2, 12) else 17

    @property
    def folders(self) -> tuple[Path, ...]:
        include = self.torch / "include"
        return (ALL, include, include / "torch" / "csrc" / "api" / "include", self.python)


def headers() -> Headers:
    """Raises ToolchainError if torch or the headers of Python are missing."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.origin:
        raise ToolchainError("torch cannot be found; install it where pytest runs")
    python = Path(sysconfig.get_path("include"))
    if not (python / "Python.h").exists():
        raise ToolchainError(
            f"{python} has no Python.h; install Python's headers (Debian, Ubuntu: apt install python3-dev)"
        )
    return Headers(Path(found.origin).resolve().parent, importlib.metadata.version("torch"), python.resolve())


def processor() -> str:
    """The processor's name in the names of builds."""
    return platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")


class ExtensionCompiler(CachedCompiler):
    """Builds the library of a project. Thread-safe; shares the cache of all builds."""

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache, LIMITS)

    @property
    def cache(self) -> Cache:
        return self._cache

    def identity(self) -> tuple[str, ...]:
        """Texts that change whenever the same project could give another library."""
        return (toolchain.find_compiler().identity, headers().version, processor(), *_common(headers()))

    def prepare(self, texts: Mapping[str, str], build: BuildToml) -> dict[str, Path]:
        """The folders of the precompiled headers that a project needs; made on first use, which takes a minute.

        Holds a lock of the cache meanwhile, so that it is not called where another is held.
        """
        compiler, found = toolchain.find_compiler(), headers()
        needed = {header_of(path, texts) for path, _, _ in units(build)} - {""}
        return {name: self._precompiled(name, compiler, found) for name in sorted(needed)}

    def library(
        self,
        texts: Mapping[str, str],
        build: BuildToml,
        precompiled: Mapping[str, Path],
        folder: Path,
        extension: str,
        confinement: Confinement,
    ) -> Made:
        """Fill ``folder`` with LIBRARY; the facts say what the compiler says if there is none."""
        compiler, found = toolchain.find_compiler(), headers()
        sources = {path: text for path, text in texts.items() if not path.endswith((".py", ".md", ".toml"))}
        sources["torch-ext/registration.h"] = REGISTRATION
        order = [path for path, _, _ in units(build)]
        made, _ = self._compile(
            folder,
            (LIBRARY,),
            _script(compiler, found, build, extension, texts, precompiled),
            {path: sources[path] for path in (*order, *(path for path in sources if path not in order))},
            entry="",
            readable=(*compiler.folders, found.torch / "lib", *found.folders, *precompiled.values()),
            path=[compiler.program.parent],
            confinement=confinement,
        )
        return made

    def _precompiled(self, name: str, compiler: toolchain.Compiler, found: Headers) -> Path:
        """The folder of a precompiled header."""

        def make(folder: Path) -> Made:
            header = folder / f"{name}.h"
            header.write_text(f"#include <{_PRECOMPILED[name][0]}>\n", encoding="utf-8")
            suffix = ".gch" if compiler.family == "gcc" else ".pch"
            line = [str(compiler.program), *_common(found), "-x", "c++-header", header.name]
            return trusted([*line, "-o", f"{header.name}{suffix}"], compiler, folder, PRECOMPILE_SECONDS)

        same = (compiler.identity, found.version, str(found.torch), *base_options(found))
        key = key_of("torch-headers", name, *same, *contents(ALL))
        entry = self._cache.get(key, make)
        if not entry.facts.ok:
            raise ToolchainError(f"PyTorch's headers cannot be compiled: {entry.facts.message}")
        return entry.folder


def units(build: BuildToml, backend: str = "cpu") -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """What is compiled for a backend: each source once, its include folders and its flags."""
    parts = [(build.src, build.include, build.cxx_flags)]
    parts += [(part.src, part.include, part.cxx_flags) for part in build.parts_for(backend)]
    found: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
    for sources, include, flags in parts:
        for path in sources:
            if path.endswith(COMPILED):
                found.setdefault(path, (path, include, flags))
    return list(found.values())


def header_of(path: str, texts: Mapping[str, str]) -> str:
    """The precompiled header that a source may begin with, because it includes the same; empty if there is none."""
    included = set(includes(path, texts))
    return next((name for name, ones in _PRECOMPILED.items() if included.intersection(ones)), "")


def includes(path: str, texts: Mapping[str, str]) -> Iterator[str]:
    """The system's headers that a source includes, also through headers of the project."""
    return _included(path, texts, set())


def _included(path: str, texts: Mapping[str, str], seen: set[str]) -> Iterator[str]:
    seen.add(path)
    for quote, name in INCLUDE.findall(texts[path]):
        yield name
        if quote == '"':
            inside = [one for one in texts if PurePosixPath(one).name == PurePosixPath(name).name and one not in seen]
            for one in inside:
                yield from _included(one, texts, seen)


def _common(found: Headers) -> list[str]:
    """The options of every compilation; others beside a precompiled header would make the compiler ignore it."""
    return ["-O1", "-fPIC", "-fno-gnu-unique", "-w", *base_options(found), *(f"-isystem{one}" for one in found.folders)]


def base_options(found: Headers) -> list[str]:
    """The standard, and what kernel-builder defines for all sources."""
    api = "".join(f"{int(part):02x}" for part in LIMITED_API.split("."))
    return ["-DNDEBUG", f"-std=c++{found.standard}", f"-DPy_LIMITED_API=0x{api}0000"]


def _script(
    compiler: toolchain.Compiler,
    found: Headers,
    build: BuildToml,
    extension: str,
    texts: Mapping[str, str],
    precompiled: Mapping[str, Path],
) -> str:
    """A shell script that compiles all units and links."""
    every = units(build)
    objects = [f"{number}.o" for number in range(len(every))]
    lines = [
        [*unit_line(unit, compiler, found, extension, texts, precompiled), "-o", target]
        for unit, target in zip(every, objects, strict=True)
    ]
    libraries = ["-ltorch", "-ltorch_cpu", "-lc10"]
    link = [str(compiler.program), "-shared", *objects, "-o", LIBRARY, f"-L{found.torch / 'lib'}", *libraries]
    return in_parallel(lines, link)


def unit_line(
    unit: tuple[str, tuple[str, ...], tuple[str, ...]],
    compiler: toolchain.Compiler,
    found: Headers,
    extension: str,
    texts: Mapping[str, str],
    precompiled: Mapping[str, Path],
) -> list[str]:
    """The command that compiles one of ``units`` for the CPU, but for the name of the object."""
    path, include, flags = unit
    return [
        str(compiler.program),
        *_common(found),
        "-DCPU_KERNEL",
        f"-DTORCH_EXTENSION_NAME={extension}",
        *optional_flags(flags),
        *(f"-I{folder}" for folder in include),
        *_including(compiler, header_of(path, texts), precompiled),
        *("-x", "c++", "-c", path),
    ]


def in_parallel(lines: Sequence[Sequence[str]], link: Sequence[str]) -> str:
    """A shell script that runs all lines at once, prints what they say in order, and links if none has failed."""
    begun = [f"{shlex.join(line)} > {number}.log 2>&1 & p{number}=$!" for number, line in enumerate(lines)]
    waits = " ".join(f"$p{number}" for number in range(len(lines)))
    check = f"failed=0; for p in {waits}; do wait $p || failed=1; done; cat *.log"
    return "\n".join([*begun, check, f"[ $failed = 0 ] && {shlex.join(link)}"])


def contents(*places: Path) -> Iterator[bytes]:
    """All files at these places."""
    for place in places:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                yield file.read_bytes()


def optional_flags(flags: Sequence[str]) -> list[str]:
    """The flags of a project, but for levels of optimisation and the standard, which a precompiled header fixes."""
    return [flag for flag in flags if not _IGNORED.match(flag)]


def _including(compiler: toolchain.Compiler, name: str, precompiled: Mapping[str, Path]) -> Sequence[str]:
    if name not in precompiled:
        return ()
    header = str(precompiled[name] / f"{name}.h")
    return ("-include", header) if compiler.family == "gcc" else ("-include-pch", f"{header}.pch")
