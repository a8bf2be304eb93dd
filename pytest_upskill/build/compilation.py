"""Compiles untrusted sources in a sandbox, and distinguishes the student's errors from the machine's faults."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_upskill.build import messages
from pytest_upskill.build.cache import Cache, Facts, Made
from pytest_upskill.errors import SandboxError, ToolchainError
from pytest_upskill.native import ENTRY
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """Limits of one compilation: times in seconds, and sizes in bytes. ``seconds`` limits the processor time of each
    process.

    ``elapsed`` limits the elapsed time; if it is None, ``seconds`` is this limit, too. With a larger ``elapsed``, a
    source that compiles does not fail because the machine is busy.
    """

    seconds: float = 60.0
    memory: int = 4 << 30
    file_size: int = 256 << 20
    scratch: int = 512 << 20
    output_bytes: int = 1 << 20
    elapsed: float | None = None

    @property
    def most_elapsed(self) -> float:
        return self.seconds if self.elapsed is None else self.elapsed


DEFAULT_LIMITS = CompileLimits()


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of a compilation. ``message`` is empty if it succeeded. ``lasting`` is True if compiling the same
    source again always has this result.
    """

    ok: bool
    message: str = ""
    lasting: bool = True
    output: str = field(default="", compare=False)


_MACHINE_FAULTS = re.compile(
    r"No space left on device|Read-only file system|Input/output error|cannot execute|posix_spawn|"
    r"error while loading shared libraries|cannot find -l|Disk quota exceeded|Resource temporarily unavailable"
)
_FULL = "No space left on device"
"""The message of a full disk: a fault of the machine, unless the scratch folder has a size limit of its own."""

_MEMORY_FAULTS = re.compile(
    r"out of memory|virtual memory exhausted|[Cc]annot allocate memory|std::bad_alloc|memory exhausted|"
    r"Killed signal terminated|internal compiler error: Killed|File size limit exceeded|CPU time limit exceeded"
)

_CONFINERS = ("bwrap: ", "sandbox: ")
"""Prefixes of messages that the sandbox itself prints."""

_HARMLESS = f'extern "C" void {ENTRY}() {{}}\n'
"""A source that every script can compile, unless the machine has a fault."""


def compile_confined(
    script: str,
    sources: Mapping[str, str],
    *,
    entry: str,
    scratch: Path,
    products: Sequence[str] = (),
    readable: Sequence[Path],
    path: Sequence[Path],
    confinement: Confinement,
    limits: CompileLimits,
    internal: Sequence[str] = (),
) -> Compiled:
    """Write the sources into ``scratch`` and run a shell script there. The compilation succeeded if the exit status is
    0.

    ``products`` names the files that are kept of those that the script makes. The folders in ``path`` come before the
    system's folders in PATH. Raises ToolchainError or SandboxError for failures that the source does not cause.
    """
    resources = Resources(int(limits.seconds) + 1, limits.memory, limits.file_size, scratch=limits.scratch)
    search = os.pathsep.join([*map(str, path), ENVIRONMENT["PATH"]])

    def compile_it(texts: Mapping[str, str]) -> process.Ran:
        for name in products:
            (scratch / name).unlink(missing_ok=True)
        _write(scratch, texts)
        with _taken_out(products if confinement.private_scratch else (), scratch) as descriptors:
            copies = [f"cat {name} >/dev/fd/{fd}" for name, fd in zip(products, descriptors, strict=False)]
            whole = " && ".join([f"{{ {script}\n}}", *copies])
            argv = ["/bin/sh", "-c", whole]
            return process.run(
                confinement.command(argv, scratch=scratch, readable=readable, resources=resources),
                cwd=scratch,
                environment={**ENVIRONMENT, "PATH": search, "TMPDIR": str(scratch)},
                seconds=limits.most_elapsed,
                output_bytes=limits.output_bytes,
                pass_fds=descriptors,
            )

    ran = compile_it(sources)
    if ran.status != 0 and _suspicious(ran):
        others = dict.fromkeys(sources, "")
        _raise_for_machine(compile_it({**others, next(iter(sources)): _HARMLESS}), ran)
        ran = compile_it(sources)
    return _judge(ran, entry, limits, internal, private=confinement.private_scratch)


class CachedCompiler:
    """Compiles in sandboxes, and keeps the results in a cache. Thread-safe; finds its compiler on first use."""

    def __init__(self, cache: Cache | None = None, limits: CompileLimits = DEFAULT_LIMITS) -> None:
        self._cache, self._limits = cache or Cache(), limits

    def _compile(
        self, folder: Path, products: Sequence[str], script: str, sources: Mapping[str, str], **options: Any
    ) -> tuple[Made, str]:
        """Fill the folder of a cache entry with ``products``. Returns the result, and the output of the script.
        ``options`` and the exceptions are those of ``compile_confined``.
        """
        with self._cache.scratch() as scratch:
            compiled = compile_confined(
                script, sources, scratch=scratch, products=products, limits=self._limits, **options
            )
            for name in products if compiled.ok else ():
                (scratch / name).rename(folder / name)
        return Made(Facts(compiled.ok, compiled.message), keep=compiled.lasting), compiled.output


def _write(folder: Path, sources: Mapping[str, str]) -> None:
    try:
        for name, text in sources.items():
            if "/" in name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise ToolchainError(f"cannot write a source to {folder}: {error.strerror}; free some space") from error


@contextlib.contextmanager
def _taken_out(names: Sequence[str], folder: Path) -> Iterator[list[int]]:
    """Yield descriptors of files in memory, to which a sandboxed process can write its products. At the end, the
    products are copied into ``folder``.
    """
    descriptors = [os.memfd_create(name, os.MFD_CLOEXEC) for name in names]
    try:
        yield descriptors
        for name, descriptor in zip(names, descriptors, strict=True):
            with open(descriptor, "rb", closefd=False) as made, (folder / name).open("wb") as file:
                made.seek(0)
                shutil.copyfileobj(made, file)
    except OSError as error:
        raise ToolchainError(f"cannot write to {folder}: {error.strerror}; free some space") from error
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _judge(ran: process.Ran, entry: str, limits: CompileLimits, internal: Sequence[str], *, private: bool) -> Compiled:
    if ran.timed_out:
        return Compiled(
            False, f"the compiler did not finish within the limit of {limits.most_elapsed:g} s", lasting=False
        )
    if ran.flooded:
        text = f"the compiler printed more than the limit of {limits.output_bytes} bytes"
        return Compiled(False, text, lasting=False)
    if ran.status == 0:
        return Compiled(True, output=ran.output)
    full = private and any(_FULL in line for line in _suspicious(ran))
    if full or _MEMORY_FAULTS.search(ran.output) or ran.status in (128 + 9, 128 + 24):
        room = f"{limits.file_size >> 20} MiB a file, {limits.scratch >> 20} MiB in all"
        sizes = f"memory (limit {limits.memory >> 20} MiB), of room for its output ({room})"
        text = f"the compiler ran out of {sizes} or of processor time ({limits.seconds:g} s)"
        return Compiled(False, text, lasting=False)
    return Compiled(False, messages.shorten(ran.output, entry, internal) or f"exit status {ran.status}, no message")


def _suspicious(ran: process.Ran) -> list[str]:
    """Lines that seem to report a fault of the machine. Lines that begin with a place in a source are left out, because
    the compiler may quote any text of the source there.
    """
    return [
        line
        for line in ran.output.splitlines()
        if line.startswith(_CONFINERS) or (_MACHINE_FAULTS.search(line) and not re.match(r"\S+[:(]\d+", line))
    ]


def _raise_for_machine(harmless: process.Ran, ran: process.Ran) -> None:
    """Raise ToolchainError or SandboxError if the compilation of another, harmless source failed as well. Only this
    proves a fault of the machine, because the student's source can make the compiler print any message.
    """
    if harmless.status == 0:
        return
    line = (_suspicious(harmless) or _suspicious(ran))[0].strip()
    if line.startswith(_CONFINERS):
        raise SandboxError(f"the compiler could not be confined: {line}; see whether this machine allows namespaces")
    raise ToolchainError(
        f"the compiler cannot compile even an empty function: {line}; repair the machine and run again"
    )
