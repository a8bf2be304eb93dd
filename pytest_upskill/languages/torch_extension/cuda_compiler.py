"""Compiles projects for the backend cuda so that they run on the cpu device: see docs/kernel-builder.md.

Once per machine: the cpu device's runtime, a library that stands for libc10_cuda and libtorch_cuda, and a precompiled
header with CUDA's language and PyTorch. For each project, all sources are rewritten as kernels of the cpu device are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pytest_upskill.build import toolchain
from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.build.compilation import CachedCompiler
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda import cuda_names
from pytest_upskill.languages.cuda.cpu_build import NATIVE, HostCompiler, Toolkit, aliased, native_hash, trusted
from pytest_upskill.languages.cuda.gpu_features import feature, message
from pytest_upskill.languages.cuda.source_text import blank_out
from pytest_upskill.languages.cuda.traps import mentions
from pytest_upskill.languages.torch_extension.build_toml import BuildToml
from pytest_upskill.languages.torch_extension.compiler import (
    ALL,
    LIBRARY,
    LIMITS,
    PRECOMPILE_SECONDS,
    Headers,
    base_options,
    contents,
    headers,
    in_parallel,
    includes,
    optional_flags,
    units,
)
from pytest_upskill.languages.torch_extension.generated import REGISTRATION
from pytest_upskill.native.cpu import flags
from pytest_upskill.sandbox.confinement import Confinement

DEVICE = "libupskill_torch_cuda.so"
"""The library that registers CUDA tensors with PyTorch, and has the functions of libc10_cuda."""
_HEADER = "torch_cuda.h"
_SOURCES = NATIVE / "torch" / "src"
_INCLUDE = NATIVE / "torch" / "include"
_OURS = re.compile(r"upskill", re.IGNORECASE)
_NO_MACROS = "".join(f"#undef {name}\n" for name in ("NO_SANITIZE", "PTHREADPOOL_NO_SANITIZE_FUNCTION"))
"""Macros of PyTorch's headers for attributes that hide accesses: what is poisoned after them could be used in them."""
_EXPORTS = "{ global: PyInit_*; local: *; };\n"
NEEDS = "needs a GPU: "
"""The beginning of a message about what the cpu device lacks."""
_UNDEFINED = re.compile(r"undefined reference to [`'](.*)'")
_LIBRARIES = re.compile(r"\b(?:cublas|cudnn|cufft|cusparse|cusolver|cutensor|nccl)[A-Z]\w*|\bcublasLt[A-Z]\w*")
_OF_PYTHON = re.compile(r"_?Py[A-Z_]")
_LACKING = re.compile(r"(?:(?:c10|at)::cuda::|cuda[A-Z]|cu(?:blas|sparse|solver|rand|dnn|fft)?[A-Z])\w*")


@dataclass(frozen=True, slots=True)
class CudaToolkit:
    """What all builds need, in folders of the cache."""

    device: Toolkit
    library: Path
    header: Path

    @property
    def readable(self) -> tuple[Path, ...]:
        return (*self.device.readable, self.library.parent, self.header)


class CudaExtensionCompiler(CachedCompiler):
    """Builds the library of a project. Thread-safe; finds its compiler on first use."""

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache, LIMITS)

    def identity(self) -> tuple[str, ...]:
        """Texts that change whenever the same project could give another library."""
        own = key_of(*contents(NATIVE / "torch"))
        return (toolchain.find_compiler().identity, native_hash(), own, *_options(headers()))

    def prepare(self) -> CudaToolkit:
        """The precompiled headers and libraries, cached or built (which takes a minute). Raises ToolchainError."""
        device = HostCompiler().prepare()
        return CudaToolkit(device, self._library(device) / DEVICE, self._header())

    def library(
        self,
        texts: Mapping[str, str],
        build: BuildToml,
        toolkit: CudaToolkit,
        folder: Path,
        extension: str,
        confinement: Confinement,
    ) -> Made:
        """Fill ``folder`` with LIBRARY; the facts say what is wrong if there is none, or, after NEEDS, what is missing
        here.
        """
        compiler, found = toolchain.find_compiler(), headers()
        order = [path for path, _, _ in units(build, "cuda")]
        sources = {path: text for path, text in texts.items() if not path.endswith((".py", ".md", ".toml"))}
        try:
            rewritten = dict(_rewritten(sources, order, found))
        except ValueError as error:
            return Made(Facts(False, str(error)))
        rewritten["torch-ext/registration.h"] = REGISTRATION
        script = _script(compiler, found, toolkit, build, extension)
        made, said = self._compile(
            folder,
            (LIBRARY,),
            f"mkdir -p {Path(flags.ALIAS).parent} && ln -sfn {shlex.quote(str(NATIVE))} {flags.ALIAS}\n{script}",
            {**{path: rewritten[path] for path in order}, **rewritten, "exports": _EXPORTS},
            entry="",
            readable=(*toolkit.readable, *compiler.folders, found.torch / "lib", *found.folders),
            path=[compiler.program.parent],
            confinement=confinement,
            internal=flags.INTERNAL_PREFIXES,
        )
        # The linker only warns: the names of Python are found when the library is loaded.
        missing = [name for name in _UNDEFINED.findall(said) if not _OF_PYTHON.match(name)] if made.facts.ok else []
        if (not made.facts.ok or missing) and (needs := _needs(said or made.facts.message)):
            return Made(Facts(False, needs))
        if missing:
            return Made(Facts(False, f"undefined reference to '{missing[0]}', which none of the sources defines"))
        return made

    def _header(self) -> Path:
        compiler, found = toolchain.find_compiler(), headers()

        def make(folder: Path) -> Made:
            (folder / _HEADER).write_text('#include "upskill_cpu.h"\n#include <torch/all.h>\n', encoding="utf-8")
            suffix = ".gch" if compiler.family == "gcc" else ".pch"
            line = [str(compiler.program), *_options(found), *_folders(compiler, found), "-x", "c++-header"]
            with aliased(folder):
                return trusted([*line, _HEADER, "-o", f"{_HEADER}{suffix}"], compiler, folder, PRECOMPILE_SECONDS)

        return self._kept("torch-cuda-header", make, found, flags.INCLUDE, _INCLUDE, ALL)

    def _library(self, device: Toolkit) -> Path:
        compiler, found = toolchain.find_compiler(), headers()

        def make(folder: Path) -> Made:
            line = [str(compiler.program), f"-std=c++{found.standard}", "-O1", "-fPIC", "-w", "-DNDEBUG", "-DUSE_CUDA"]
            line += ["-DUPSKILL_CPU_RUNTIME", "-shared", *_folders(compiler, found)]
            line += [str(Path(flags.ALIAS) / one.relative_to(NATIVE)) for one in sorted(_SOURCES.glob("*.cpp"))]
            line += ["-o", DEVICE, f"-Wl,-soname,{DEVICE}", "-Wl,-z,defs", str(device.runtime)]
            with aliased(folder):
                return trusted([*line, *_torch_libraries(found)], compiler, folder, PRECOMPILE_SECONDS)

        return self._kept("torch-cuda-device", make, found, flags.INCLUDE, _INCLUDE, ALL, _SOURCES, NATIVE / "device.h")

    def _kept(self, name: str, make: Callable[[Path], Made], found: Headers, *depends: Path) -> Path:
        compiler = toolchain.find_compiler().identity
        key = key_of(name, compiler, found.version, str(found.torch), *_options(found), *contents(*depends))
        entry = self._cache.get(key, make)
        if not entry.facts.ok:
            raise ToolchainError(f"PyTorch's headers cannot be compiled for the cpu device: {entry.facts.message}")
        return entry.folder


def _needs(said: str) -> str:
    """A message about names of CUDA or of libtorch_cuda that are missing here; empty if something else is wrong."""
    unknown = [one for one in mentions(said) if one.unknown]
    if unknown and all(cuda_names.is_name(one.name) or cuda_names.is_header(one.name) for one in unknown):
        return message(feature(unknown[0].name), f"{unknown[0].file}:{unknown[0].line}")
    undefined = [name for name in _UNDEFINED.findall(said) if not _OF_PYTHON.match(name)]
    if undefined and all(_LACKING.match(one) and _is_declared(one) for one in undefined):
        return f"{NEEDS}{undefined[0].partition('(')[0]}"
    return ""


def _is_declared(function: str) -> bool:
    """Whether a function that the linker misses is one of CUDA, or in PyTorch's headers, and not made up."""
    name = function.partition("(")[0].rpartition("::")[2]
    if cuda_names.is_name(name):
        return True
    word, include = re.compile(rf"\b{re.escape(name)}\b"), headers().torch / "include"
    files = (file for folder in ("c10/cuda", "ATen/cuda") for file in (include / folder).rglob("*.*h"))
    return any(word.search(file.read_text(encoding="utf-8", errors="replace")) for file in files)


def _options(found: Headers) -> list[str]:
    """The options of every compilation; others beside the precompiled header would make the compiler ignore it."""
    student = flags.student_flags(toolchain.find_compiler().family)
    return [*(flag for flag in student if not flag.startswith("-std=")), "-DUSE_CUDA", *base_options(found)]


def _folders(compiler: toolchain.Compiler, found: Headers) -> list[str]:
    native = Path(flags.ALIAS) if compiler.family == "gcc" else NATIVE
    own = [native / folder.relative_to(NATIVE) for folder in (*flags.INCLUDE_FOLDERS, _INCLUDE)]
    return [*(f"-I{folder}" for folder in own), *(f"-isystem{folder}" for folder in found.folders)]


def _torch_libraries(found: Headers) -> list[str]:
    return [f"-L{found.torch / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]


def _rewritten(sources: Mapping[str, str], units: list[str], found: Headers) -> Iterator[tuple[str, str]]:
    """The sources for the host's compiler, with the same lines. Raises ValueError, with file and line."""
    from pytest_upskill.languages.cuda.rewrite import rewrite  # its tables take a while, and a cached build needs none

    for path, text in sources.items():
        if found_name := _OURS.search(text):
            line = text.count("\n", 0, found_name.start()) + 1
            raise ValueError(f"{path}:{line}: {found_name[0]!r} is a name of the harness; use another one")
        if found_name := _LIBRARIES.search(blank_out(text)):
            line = text.count("\n", 0, found_name.start()) + 1
            rule = "a library of ready-made kernels: compute in kernels of your own"
            raise ValueError(f"{path}:{line}: {found_name[0]!r} is a name of {rule}")
        before = _preamble(path, sources, found) if path in units else ""
        yield path, rewrite(text, path, before)


def _preamble(path: str, sources: Mapping[str, str], found: Headers) -> str:
    """What precedes a unit: headers of the system and of PyTorch that it includes, since words are poisoned next."""
    folders = (*found.folders, *toolchain.system_headers(toolchain.find_compiler()), _INCLUDE, flags.INCLUDE)
    named = dict.fromkeys(includes(path, sources))
    if any(name.startswith(("c10/cuda/", "ATen/cuda/")) for name in named):
        named = {"c10/cuda/CUDAGraphsC10Utils.h": None, **named}  # CUDAEvent.h expects that another header includes it
    own = {PurePosixPath(one).name for one in sources}
    lines = [
        f"#include <{name}>\n"
        for name in named
        if PurePosixPath(name).name not in own and any((folder / name).is_file() for folder in folders)
    ]
    return "".join(lines) + _NO_MACROS + flags.NO_SILENCERS + flags.NO_ASSEMBLY


def _script(
    compiler: toolchain.Compiler, found: Headers, toolkit: CudaToolkit, build: BuildToml, extension: str
) -> str:
    """Compile all units at once, kernels first, and link; prints what the compilers say in order."""
    header = str(toolkit.header / _HEADER)
    first = ["-include", header] if compiler.family == "gcc" else ["-include-pch", f"{header}.pch"]
    common = [str(compiler.program), *_options(found), "-DCUDA_KERNEL", *first]
    common += [f"-DTORCH_EXTENSION_NAME={extension}", *_folders(compiler, found)]
    lines, objects = [], []
    kernels_first = sorted(units(build, "cuda"), key=lambda unit: not unit[0].endswith(".cu"))
    for number, (path, include, own) in enumerate(kernels_first):
        objects.append(f"{number}.o")
        more = [*optional_flags(own), *(f"-I{folder}" for folder in include), "-iquote."]
        lines.append([*common, *more, "-x", "c++", "-c", path, "-o", objects[-1]])
    wanted = [flag for flag in flags.LINK_FLAGS if "--version-script" not in flag]
    link = [str(compiler.program), *objects, str(toolkit.device.begin), "-o", LIBRARY, *wanted]
    link += [
        "-Wl,--version-script=exports",
        "-Wl,--warn-unresolved-symbols",
        str(toolkit.library),
        str(toolkit.device.runtime),
    ]
    return in_parallel(lines, [*link, *_torch_libraries(found)])
