"""Builds a project for the CPU, as ``kernels`` loads it: ``build/torchXYZ-cxx11-cpu-x86_64-linux/``.

A project for the backend cpu is compiled in the same way as for the judge. A CUDA project can be built if its bindings
register its operator for the CPU under ``CPU_KERNEL``, as those of exported projects do. Its kernels are compiled for
the cpu device, whose CUDA runtime is placed beside the library.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_upskill.build import toolchain
from pytest_upskill.build.cache import Entry, Made, key_of
from pytest_upskill.errors import InfrastructureError, UsageError, shown_path
from pytest_upskill.languages.cuda.cpu_build import (
    HostCompiler,
    Toolkit,
    compiler_line,
    link_to_sources,
    native_hash,
    translation_unit,
)
from pytest_upskill.languages.torch_extension import bindings, build_toml, generated, package
from pytest_upskill.languages.torch_extension.build_toml import BuildToml
from pytest_upskill.languages.torch_extension.compiler import (
    LIBRARY,
    ExtensionCompiler,
    headers,
    in_parallel,
    processor,
    unit_line,
    units,
)
from pytest_upskill.languages.torch_extension.project import File, ProjectError, checked, path_problem
from pytest_upskill.native.cpu import flags
from pytest_upskill.sandbox.client import RUNTIME
from pytest_upskill.sandbox.confinement import strongest

_SKIPPED = ("build", "benchmarks", "tests")
"""Folders of a project whose files are not compiled."""
_NEXT = "the compiler's message is above; correct the source and build again"


def build_variant(project: Path) -> Path:
    """Build the project in a folder. Returns the folder of the variant, which replaces an earlier variant.

    Raises UsageError if the folder has no project that can be built, or if the project does not compile;
    InfrastructureError if files cannot be written.
    """
    try:
        texts = checked(list(_files(project))).texts
        build = build_toml.read(texts)
        names = generated.names(build, "cpu", texts, headers().version, processor())
        modules = package.modules(texts, build.package)
        _check_backends(texts, build)
    except ProjectError as error:
        raise UsageError(f"{shown_path(project)}: {error}") from None
    built = _Build(texts, build, names.extension).library()
    if not built.facts.ok:
        raise UsageError(f"{built.facts.message}\n{shown_path(project)} does not compile for the CPU: {_NEXT}")
    files = {path: text.encode() for path, text in modules.items()}
    files["_ops.py"] = generated.ops_module(names.extension).encode()
    files["metadata.json"] = generated.metadata(build, "cpu", names.extension).encode()
    libraries = {names.library: built.folder / LIBRARY}
    if (runtime := built.folder / RUNTIME).exists():
        libraries[_runtime_name()] = runtime
    files |= {name: _renamed(path.read_bytes()) for name, path in libraries.items()}
    return _write(project / "build" / names.variant, files)


def _check_backends(texts: Mapping[str, str], build: BuildToml) -> None:
    """Raise ProjectError if a project has nothing for the CPU."""
    if "cpu" in build.backends:
        return
    operators = bindings.registered(texts, build.src)
    if "cuda" not in build.backends or not any("cpu" in one.backends for one in operators.values()):
        what = f"the project is for {' and '.join(build.backends)}, and registers no operator for the CPU"
        raise ProjectError(f"{what}; an exported kernel does so under CPU_KERNEL, others need kernel-builder and a GPU")


def _files(project: Path) -> Iterator[File]:
    """The sources in a folder. Raises UsageError, and InfrastructureError if a file cannot be read."""
    if not (project / build_toml.NAME).is_file():
        rule = f"a project of kernel-builder has a file {build_toml.NAME}"
        raise UsageError(f"{shown_path(project)} is not a project: {rule}; pytest-upskill export writes one")
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if name.partition("/")[0] in _SKIPPED or path_problem(name) or not path.is_file():
            continue
        try:
            yield File(name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UsageError(f"{shown_path(path)} cannot be read: {reason}; correct or remove it") from None


class _Build:
    """One build, which is taken from the cache if it is stored there."""

    def __init__(self, texts: Mapping[str, str], build: BuildToml, extension: str) -> None:
        self._texts, self._build, self._extension = texts, build, extension
        self._compiler = _VariantCompiler()

    def library(self) -> Entry:
        texts, build, confinement = self._texts, self._build, strongest()
        of_cpu = "cpu" in build.backends
        identity = (*self._compiler.identity(), "" if of_cpu else native_hash(), confinement.level)
        parts = (part for item in sorted(texts.items()) for part in item)
        key = key_of("cpu-variant", Path(__file__).read_bytes(), self._extension, *parts, *identity)
        precompiled = self._compiler.prepare(texts, build)
        toolkit = None if of_cpu else HostCompiler().prepare()

        def make(folder: Path) -> Made:
            if toolkit is None:
                return self._compiler.library(texts, build, precompiled, folder, self._extension, confinement)
            return self._compiler.with_kernels(folder, texts, build, self._extension, toolkit, precompiled)

        return self._compiler.cache.get(key, make)


class _VariantCompiler(ExtensionCompiler):
    """Compiles bindings as in other projects, and kernels as for the cpu device, and links them into one library."""

    def with_kernels(
        self,
        folder: Path,
        texts: Mapping[str, str],
        build: BuildToml,
        extension: str,
        toolkit: Toolkit,
        precompiled: Mapping[str, Path],
    ) -> Made:
        """Fill ``folder`` with the library and the runtime that it needs. Raises UsageError."""
        compiler, found = toolchain.find_compiler(), headers()
        sources = {path: text for path, text in texts.items() if not path.endswith((".py", ".md", ".toml", ".cu"))}
        sources["torch-ext/registration.h"] = generated.REGISTRATION
        lines, objects = [], []
        for number, unit in enumerate(units(build, "cuda")):
            objects.append(f"{number}.o")
            if unit[0].endswith(".cu"):
                name = f"kernel-{number}.cpp"
                sources = {name: _unit(unit[0], texts[unit[0]]), **sources}  # the first is compiled in any case
                line = [*compiler_line(compiler, toolkit), "-DCPU_KERNEL", "-c", name]
            else:
                line = unit_line(unit, compiler, found, extension, texts, precompiled)
            lines.append([*line, "-o", objects[-1]])
        link = [str(compiler.program), *objects, str(toolkit.begin), "-o", LIBRARY]
        wanted = (flag for flag in flags.LINK_FLAGS if "--version-script" not in flag)
        link += [flag.replace("-z,defs,", "") for flag in wanted]  # Python's functions are in the interpreter
        link += ["-Wl,-rpath,$ORIGIN", str(toolkit.runtime)]
        link += [f"-L{found.torch / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
        made, _ = self._compile(
            folder,
            (LIBRARY,),
            f"{link_to_sources()}\n{in_parallel(lines, link)}",
            sources,
            entry="",
            readable=(*toolkit.readable, *compiler.folders, found.torch / "lib", *found.folders, *precompiled.values()),
            path=[compiler.program.parent],
            confinement=strongest(),
            internal=flags.INTERNAL_PREFIXES,
        )
        if made.facts.ok:
            shutil.copyfile(toolkit.runtime, folder / RUNTIME)
        return made


def _unit(path: str, source: str) -> str:
    """A kernel's translation unit for the cpu device. Raises UsageError."""
    try:
        return translation_unit(source, "")
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _runtime_name() -> str:
    """The name of the runtime's file. It depends on the runtime's contents, because the libraries of one process share
    a runtime if the names are equal. It is as long as ``RUNTIME``, so it can replace that name in a library.
    """
    digest = key_of(native_hash(), toolchain.find_compiler().identity)
    return f"lib{digest[: len(RUNTIME) - len('lib.so')]}.so"


def _renamed(library: bytes) -> bytes:
    """The bytes of a library in which the runtime's name (its own, or that of a dependency) is replaced by the new
    name.
    """
    return library.replace(f"\0{RUNTIME}\0".encode(), f"\0{_runtime_name()}\0".encode())


def _write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Replace a folder by a new one that has these files. Raises InfrastructureError."""
    fresh = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")
    try:
        for path, data in files.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        raise InfrastructureError(
            f"{shown_path(folder)} cannot be written: {error.strerror}; free some space, or make it writable"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
