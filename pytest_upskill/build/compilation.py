"""Runs a compiler over untrusted sources, in a cell, and tells the student's mistakes from the machine's.

Knows neither of the compilers: ``host`` and ``nvcc`` bring their command lines.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.build import messages
from pytest_upskill.errors import SandboxError, ToolchainError
from pytest_upskill.native import ENTRY
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What the compilation of one kernel may use: seconds (elapsed, and of the processor), and bytes."""

    seconds: float = 60.0
    memory: int = 4 << 30
    file_size: int = 256 << 20
    scratch: int = 512 << 20
    output_bytes: int = 1 << 20


DEFAULT_LIMITS = CompileLimits()


@dataclass(frozen=True, slots=True)
class Compiled:
    """``message`` is empty for a success; ``lasting`` says that the same source would come to the same end.

    ``output`` is what a success printed.
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
"""The machine's fault where the scratch folder is the machine's own."""

_MEMORY_FAULTS = re.compile(
    r"out of memory|virtual memory exhausted|[Cc]annot allocate memory|std::bad_alloc|memory exhausted|"
    r"Killed signal terminated|internal compiler error: Killed|File size limit exceeded|CPU time limit exceeded"
)

_CONFINERS = ("bwrap: ", "sandbox: ")
"""How the lines of what confines the compiler begin."""

_HARMLESS = f'extern "C" void {ENTRY}() {{}}\n'
"""A source that every script compiles, on a machine that is sound."""


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
    """Writes the sources into ``scratch`` and runs a shell script there. Its exit status decides.

    ``products`` are files that the script makes there, and all that is left of it afterwards. ``path`` are folders for
    PATH ahead of the system's. Raises ToolchainError or SandboxError for what is not the source's fault.
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
                seconds=limits.seconds,
                output_bytes=limits.output_bytes,
                pass_fds=descriptors,
            )

    ran = compile_it(sources)
    if ran.status != 0 and _suspicious(ran):
        _raise_for_machine(compile_it(dict.fromkeys(sources, _HARMLESS)), ran)
        ran = compile_it(sources)
    return _judge(ran, entry, limits, internal, private=confinement.private_scratch)


def _write(folder: Path, sources: Mapping[str, str]) -> None:
    try:
        for name, text in sources.items():
            (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise ToolchainError(f"cannot write a source to {folder}: {error.strerror}; free some space") from error


@contextlib.contextmanager
def _taken_out(names: Sequence[str], folder: Path) -> Iterator[list[int]]:
    """Descriptors of files in memory, through which a cell gives what it made; they then become files of ``folder``."""
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
        return Compiled(False, f"the compiler did not finish within the limit of {limits.seconds:g} s", lasting=False)
    if ran.flooded:
        return Compiled(
            False, f"the compiler printed more than the limit of {limits.output_bytes} bytes", lasting=False
        )
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
    """Lines in which the machine seems to speak. A message about a place in a source can quote anything; the machine's
    faults come without one.
    """
    return [
        line
        for line in ran.output.splitlines()
        if line.startswith(_CONFINERS) or (_MACHINE_FAULTS.search(line) and not re.match(r"\S+[:(]\d+", line))
    ]


def _raise_for_machine(harmless: process.Ran, ran: process.Ran) -> None:
    """What a source says can look like any fault of the machine: ``harmless``, the run of another one, decides."""
    if harmless.status == 0:
        return
    line = (_suspicious(harmless) or _suspicious(ran))[0].strip()
    if line.startswith(_CONFINERS):
        raise SandboxError(f"the compiler could not be confined: {line}; see what this machine allows its users")
    raise ToolchainError(f"the compiler failed by itself: {line}; repair the machine and run again")
