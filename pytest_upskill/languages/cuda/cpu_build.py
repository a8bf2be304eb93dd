"""Builds kernels for the cpu device with the machine's C++ compiler.

Once per machine and compiler, the device's runtime with the driver, and a precompiled header, are built. For each
kernel, the rewritten source and the generated entry are compiled in a sandbox, and linked with the runtime.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shlex
import shutil
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from pytest_upskill.build import messages, toolchain
from pytest_upskill.build.cache import Entry, Facts, Made, key_of
from pytest_upskill.build.compilation import CachedCompiler
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda import symbol_policy
from pytest_upskill.languages.cuda.source_text import OPAQUE, blank_out, closing_bracket
from pytest_upskill.languages.cuda.tracing import LIST_PLACES, PLACES, TRACED
from pytest_upskill.native import ENTRY
from pytest_upskill.native.cpu import flags
from pytest_upskill.records import Build, KernelResources
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.client import RUNTIME
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement

NATIVE = flags.NATIVE
LIBRARY = "kernel.so"
ALL_ERRORS = {"gcc": "-fmax-errors=0", "clang": "-ferror-limit=0"}
_UNIT, _BEGIN = "kernel.cpp", "begin.o"

_RUNTIME_SECONDS = 300.0
# A kernel could use the macros and functions of our headers to hide accesses.
_OURS = re.compile(r"\bUPSKILL_\w*|\bupskill_cpu\w*|\bupskill\b(?:\s*::\s*\w*)?")
_OURS_IN_TEXT = re.compile(r"\bupskill_cpu_\w+")
_OUR_NAMES = re.compile(r"\b(?:UPSKILL_\w+|upskill_cpu\w*|upskill)\b")
_PASTING = re.compile("##|%:%:")
_PASTED = re.compile(rf"^{re.escape(messages.SOURCE_NAME)}:(\d+):.*\bpoisoned\b", re.MULTILINE)
_POISONED = re.compile(r'poisoned "(?:asm|__asm|__asm__)"')
_ASSEMBLY = (
    "assembly of the host is not allowed, and this begins no inline PTX that can be read; write it as "
    'asm("instructions" : ...) in the function of the device that needs it'
)
_DIRECTIVES = re.compile(
    r"^[^\S\n]*(?:#|%:)\s*(?:(?:define|undef)\s+(?:__)?section(?:__)?\b|ident\b|sccs\b)", re.MULTILINE
)
_CONTINUED = re.compile(r"\\[ \t\f\v\r]*\n")
_SECTION = re.compile(r"(?:\b__attribute(?:__)?\s*\(\s*\(|\[\s*\[)[^;{}]{0,200}?\b(?:__)?section(?:__)?\s*\(")
_HEADER = re.compile(r"""^[ \t]*#[ \t]*include[ \t]*[<"]([a-z]\w*(?:/\w+)*(?:\.h)?)[>"]""", re.MULTILINE)
_NAME = re.compile(r'"[A-Za-z0-9_.$]*"')
"""Matches the section names that are allowed. The compiler copies a section's name into its assembly."""


@dataclass(frozen=True, slots=True)
class Toolkit:
    """The parts that every kernel's build needs, as folders and files in the cache."""

    runtime: Path
    begin: Path
    header: Path
    readable: tuple[Path, ...]


class HostCompiler(CachedCompiler):
    """Builds kernels and, on first use, the runtime."""

    def build(
        self, source: str, entry: str, *, confinement: Confinement, traced: bool = True, trapped: str | None = None
    ) -> Build:
        """Build a kernel. If ``traced``, a second library is built that reports the kernel's coverage. ``trapped`` is
        the source with traps in place of what only a GPU can do; None if there are no traps.

        Raises ToolchainError or SandboxError for problems of the machine.
        """
        began = time.monotonic()
        compiler, toolkit = toolchain.find_compiler(), self.prepare()
        traced = traced and compiler.family == "gcc"

        def make(folder: Path) -> Made:
            try:
                unit = translation_unit(source, entry, trapped)
                self._refuse_pasted((trapped or source).replace("::upskill::cpu::needs_gpu", ""), confinement)
            except ValueError as error:
                return Made(Facts(False, str(error)))
            made, _ = self._compile(
                folder,
                (LIBRARY, TRACED, PLACES) if traced else (LIBRARY,),
                _script(compiler, toolkit, traced),
                {_UNIT: unit},
                entry=entry,
                readable=toolkit.readable,
                path=[compiler.program.parent],
                confinement=confinement,
                internal=flags.INTERNAL_PREFIXES,
            )
            if _POISONED.search(made.facts.message):
                made = replace(made, facts=replace(made.facts, message=f"{made.facts.message}\n{_ASSEMBLY}"))
            if made.facts.ok:
                try:  # a link or a copy, so that evicting the runtime's entry does no harm
                    os.link(toolkit.runtime, folder / RUNTIME)
                except OSError:
                    shutil.copyfile(toolkit.runtime, folder / RUNTIME)
            return made

        made = self._cache.get(
            key_of("kernel", str(traced), source, trapped or "", entry, *self._identity(compiler), confinement.level),
            make,
        )
        return build_of(made, compiler.describe(), began)

    def diagnose(self, source: str, entry: str, trapped: str, *, confinement: Confinement) -> str:
        """The compiler's messages about a source with traps. Empty if the compiler accepts the source, or if the source
        cannot be rewritten.
        """
        try:
            return self._said("-fsyntax-only", translation_unit(source, entry, trapped), confinement)
        except ValueError:
            return ""

    def _refuse_pasted(self, source: str, confinement: Confinement) -> None:
        """Raise ValueError if the preprocessor makes a name of the harness from pieces. A text search does not find
        such a name.
        """
        if not _PASTING.search(_CONTINUED.sub("", source)):
            return
        poison = f'#pragma GCC poison {_our_names()}\n#line 1 "{messages.SOURCE_NAME}"\n'
        said = self._said("-E", _system_headers(source) + poison + source, confinement)
        if found := _PASTED.search(said):
            rule = "a name of the harness is made here from pieces; use another one"
            raise ValueError(f"{messages.SOURCE_NAME}:{found[1]}: {rule}")

    def _said(self, mode: str, unit: str, confinement: Confinement) -> str:
        """The compiler's messages about a unit. Nothing is built."""
        compiler, toolkit = toolchain.find_compiler(), self.prepare()
        line = shlex.join([*compiler_line(compiler, toolkit), ALL_ERRORS[compiler.family], mode, _UNIT])
        _, said = self._compile(
            toolkit.header,
            (),
            f"{link_to_sources()} && {line} 2>&1 >/dev/null || true",
            {_UNIT: unit},
            entry="",
            readable=toolkit.readable,
            path=[compiler.program.parent],
            confinement=confinement,
        )
        return said

    def prepare(self) -> Toolkit:
        """The runtime and the precompiled header, from the cache if possible. Building them takes seconds, once per
        machine.
        """
        compiler = toolchain.find_compiler()
        identity = self._identity(compiler)
        with ThreadPoolExecutor(2) as pool:
            header = pool.submit(self._cache.get, key_of("header", *identity), functools.partial(_header, compiler))
            runtime = pool.submit(self._cache.get, key_of("runtime", *identity), functools.partial(_runtime, compiler))
            entries = [runtime.result(), header.result()]
        for entry in entries:
            if not entry.facts.ok:
                raise ToolchainError(f"the cpu device's runtime does not compile here: {entry.facts.message}")
        folders = [entry.folder for entry in entries]
        return Toolkit(folders[0] / RUNTIME, folders[0] / _BEGIN, folders[1], (NATIVE, *folders, *compiler.folders))

    @staticmethod
    def _identity(compiler: toolchain.Compiler) -> tuple[str, ...]:
        # clang's precompiled header has absolute paths of its sources, and clang refuses it if they do not exist.
        return (compiler.identity, native_hash(), *([str(NATIVE)] if compiler.family == "clang" else []))


def build_of(entry: Entry, compiler: str, began: float, kernel: str | None = None) -> Build:
    """The build in an entry of the cache. If the library also has parts of ours, ``kernel`` names the student's object
    beside it.
    """
    library = entry.folder / LIBRARY if entry.facts.ok else None
    places = entry.folder / PLACES
    traced = entry.folder / TRACED if library and places.exists() and places.stat().st_size else None
    resources = json.loads(entry.facts.data or "[]")
    return Build(
        library,
        entry.facts.message,
        (compiler,),
        time.monotonic() - began,
        cached=not entry.fresh,
        traced=traced,
        kernels=tuple(KernelResources(**one) for one in resources),
        violations=symbol_policy.violations(library, entry.folder / kernel if kernel else None) if library else (),
    )


def translation_unit(source: str, entry: str, trapped: str | None = None) -> str:
    """The compiler's input: the student's source (or ``trapped`` in its place), rewritten, followed by the generated
    entry under a file name of its own.

    Raises ValueError, with the line, if the source cannot be rewritten.
    """
    from pytest_upskill.languages.cuda.rewrite import rewrite  # its tables take a while, and a cached build needs none

    _refuse(source, _OURS, "is a name of the harness; use another one")
    # "redefine_extname" in a _Pragma can give a function any name, which is then in the text of a literal.
    _refuse(source, _OURS_IN_TEXT, "is a name of the harness; use another text", literals=False)
    _refuse(source, _DIRECTIVES, "is a directive that kernels may not use: remove it")
    _refuse_sections(source)
    before = _system_headers(source) + flags.NO_SILENCERS + flags.NO_ASSEMBLY + flags.NO_LIBRARIES
    text = rewrite(trapped or source, messages.SOURCE_NAME, before)
    return f'{text}\n#line 1 "{messages.ENTRY_NAME}"\n{entry}\n'


def _system_headers(source: str) -> str:
    """Includes of those system headers that the source includes. They come first because they use names that become
    errors in the source.
    """
    # Without __has_include, because gcc 12 accepts an #include of a header that __has_include has not found.
    folders = toolchain.system_headers(toolchain.find_compiler())
    names = dict.fromkeys(_HEADER.findall(source))
    return "".join(f"#include <{name}>\n" for name in names if any((folder / name).is_file() for folder in folders))


def _refuse_sections(source: str) -> None:
    blank = blank_out(source)
    for found in _SECTION.finditer(blank):
        end = closing_bracket(blank, found.end() - 1)
        for name in OPAQUE.finditer(source, found.end(), end) if end >= 0 else ():
            if '"' in name[0] and not _NAME.fullmatch(name[0]):
                place = f"{messages.SOURCE_NAME}:{source.count(chr(10), 0, name.start()) + 1}"
                raise ValueError(
                    f"{place}: a section's name may have letters, digits, '_', '.' and '$' only: remove it"
                )


def _refuse(source: str, pattern: re.Pattern[str], why: str, *, literals: bool = True) -> None:
    """Raise ValueError if the pattern occurs in the code. Continued lines are joined first, as by the preprocessor."""
    pieces = _CONTINUED.split(source)
    joined = "".join(pieces)
    if found := pattern.search(blank_out(joined, literals=literals)):
        joints = bisect_right(list(accumulate(map(len, pieces[:-1]))), found.start())
        number = joined.count("\n", 0, found.start()) + joints + 1
        raise ValueError(f"{messages.SOURCE_NAME}:{number}: {found[0]!r} {why}")


@functools.cache
def _our_names() -> str:
    """All names of the harness in our headers."""
    texts = (file.read_text(encoding="utf-8") for file in sorted(flags.INCLUDE.rglob("*")) if file.is_file())
    return " ".join(sorted({name for text in texts for name in _OUR_NAMES.findall(text)}))


@functools.cache
def native_hash() -> str:
    """A hash of all files that affect every build."""
    own, torch = Path(__file__).resolve().parent, NATIVE / "torch"  # the latter is for projects of PyTorch only
    native = (file for file in NATIVE.rglob("*") if torch not in file.parents)
    files = sorted((*native, *own.rglob("*.py"), *own.glob("*.txt")))
    files = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    return key_of(*(part for file in files for part in ("/".join(file.parts[-3:]), file.read_bytes())))


def link_to_sources() -> str:
    """A shell command that creates the link ``flags.ALIAS`` in the working directory."""
    return f"mkdir -p {Path(flags.ALIAS).parent} && ln -sfn {shlex.quote(str(NATIVE))} {flags.ALIAS}"


def precompiled(compiler: toolchain.Compiler, toolkit: Toolkit) -> list[str]:
    """The options that include the precompiled header. gcc is given the header's name, and uses the precompiled file
    beside it.
    """
    header = str(toolkit.header / flags.PCH_HEADER.name)
    return ["-include", header] if compiler.family == "gcc" else ["-include-pch", f"{header}.pch"]


def compiler_line(compiler: toolchain.Compiler, toolkit: Toolkit) -> list[str]:
    """The beginning of a command that compiles a kernel's unit."""
    options = [*flags.student_flags(compiler.family), *precompiled(compiler, toolkit)]
    return [str(compiler.program), *options, *_folders(compiler)]


def _script(compiler: toolchain.Compiler, toolkit: Toolkit, traced: bool) -> str:
    common, alias = compiler_line(compiler, toolkit), link_to_sources()
    build = _commands(common, "kernel.o", LIBRARY, toolkit)
    if not traced:
        return f"{alias} && {build}"
    # Whatever happens to the second library, the first one decides.
    second = f"{_commands([*common, *flags.COVERAGE_FLAGS], 'traced.o', TRACED, toolkit)} && {LIST_PLACES}"
    beside = f"( {second} ) > /dev/null 2>&1 & second=$!"
    return f"{alias} && {{ {beside}; {build}; status=$?; wait $second; touch {TRACED} {PLACES}; (exit $status); }}"


def _commands(common: Sequence[str], target: str, library: str, toolkit: Toolkit) -> str:
    # Undefined symbols are errors of the linker here, not of the loader during a call.
    whole = ["-Wl,-z,defs", f"-Wl,--require-defined={ENTRY}"]
    link = [common[0], target, str(toolkit.begin), "-o", library, *whole, *flags.LINK_FLAGS, str(toolkit.runtime)]
    return f"{shlex.join([*common, '-c', _UNIT, '-o', target])} && {shlex.join(link)}"


def _folders(compiler: toolchain.Compiler, *more: Path) -> list[str]:
    native = Path(flags.ALIAS) if compiler.family == "gcc" else NATIVE
    return [f"-I{native / folder.relative_to(NATIVE)}" for folder in (*flags.INCLUDE_FOLDERS, *more)]


def _header(compiler: toolchain.Compiler, folder: Path) -> Made:
    header = folder / flags.PCH_HEADER.name
    shutil.copyfile(flags.PCH_HEADER, header)
    suffix = ".gch" if compiler.family == "gcc" else ".pch"
    line = [str(compiler.program), *flags.student_flags(compiler.family), *_folders(compiler), "-x", "c++-header"]
    with aliased(folder):
        return trusted([*line, header.name, "-o", f"{header.name}{suffix}"], compiler, folder)


def _runtime(compiler: toolchain.Compiler, folder: Path) -> Made:
    """Compile the sources in parallel, and link the library. This needs no sandbox, because the code is our own."""
    sources = [
        (flags.BEGIN_SOURCE,),
        (NATIVE / "driver.cpp", flags.SEAL_SOURCE),
        *(flags.RUNTIME_SOURCES[n :: flags.RUNTIME_UNITS] for n in range(flags.RUNTIME_UNITS)),
    ]
    units = [folder / f"{number}.cpp" for number in range(len(sources))]
    objects = [unit.with_suffix(".o") for unit in units]
    common = [str(compiler.program), *flags.RUNTIME_FLAGS, *_folders(compiler, NATIVE), "-c"]

    def compile_one(unit: Path, parts: Sequence[Path], target: Path) -> Made:
        unit.write_text("".join(f'#include "{Path(flags.ALIAS) / part.relative_to(NATIVE)}"\n' for part in parts))
        return trusted([*common, unit.name, "-o", str(target)], compiler, folder)

    jobs = sorted(zip(units, sources, objects, strict=True), key=lambda job: -sum(one.stat().st_size for one in job[1]))
    with aliased(folder), ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # the largest first
        failed = [made for made in pool.map(lambda job: compile_one(*job), jobs) if not made.facts.ok]
    if failed:
        return failed[0]
    objects.pop(0).rename(folder / _BEGIN)
    names = [str(target) for target in objects]
    link = [*names, *flags.RUNTIME_LINK_FLAGS, f"-Wl,-soname,{RUNTIME}", "-o", str(folder / RUNTIME)]
    made = trusted([str(compiler.program), *link], compiler, folder)
    for unneeded in (*units, *objects):
        unneeded.unlink()
    return made


@contextlib.contextmanager
def aliased(folder: Path) -> Iterator[None]:
    """A context in which ``folder`` has ``flags.ALIAS``, a link to the native sources."""
    alias = folder / flags.ALIAS
    alias.parent.mkdir()
    alias.symlink_to(NATIVE)
    yield
    shutil.rmtree(alias.parent)


def trusted(argv: Sequence[str], compiler: toolchain.Compiler, folder: Path, seconds: float = _RUNTIME_SECONDS) -> Made:
    """Run a command line of our own in ``folder``, without a sandbox."""
    environment = {**ENVIRONMENT, "PATH": f"{compiler.program.parent}{os.pathsep}{ENVIRONMENT['PATH']}"}
    ran = process.run(argv, cwd=folder, environment=environment, seconds=seconds)
    if ran.status == 0:
        return Made(Facts())
    return Made(Facts(False, messages.shorten(ran.output, "")), keep=False)
