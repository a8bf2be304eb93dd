"""Compiles and runs a whole CUDA program of the user, without a sandbox, and prints the cpu device's findings."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pytest_upskill.build import messages, toolchain
from pytest_upskill.build.nvcc import short_name
from pytest_upskill.errors import UsageError
from pytest_upskill.languages.cuda import cuda_names
from pytest_upskill.languages.cuda.cpu_build import ALL_ERRORS, HostCompiler, Toolkit, precompiled
from pytest_upskill.languages.cuda.gpu_features import feature, message
from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.languages.cuda.traps import mentions
from pytest_upskill.native.cpu import flags
from pytest_upskill.native.cpu.flags import INCLUDE
from pytest_upskill.records import NEEDS_GPU
from pytest_upskill.sandbox import findings, process

_INCLUDE = re.compile(r'^([ \t]*#[ \t]*include[ \t]*)([<"])([^>"\n]+)[>"]', re.MULTILINE)


class NeedsGpu(Exception):
    """Raised if the program needs features that the cpu device does not support. The message names each feature and its
    place.
    """


def is_of_host(path: Path) -> bool:
    """Whether nvcc passes a file unchanged to the host's compiler, without CUDA's headers."""
    return path.suffix in (".c", ".cc", ".cpp", ".cxx", ".C")


@dataclass
class Sources:
    """Rewrites files into ``folder``. ``include`` are the user's folders with headers."""

    folder: Path
    include: Sequence[Path]
    _headers: dict[Path, Path] = field(default_factory=dict)

    def unit(self, path: Path) -> Path:
        """Write the translation unit of a source. Raises UsageError, and ValueError (for a launch without an end)."""
        target = self.folder / f"{len(list(self.folder.iterdir()))}-{path.stem}.cpp"
        target.write_text(self._rewritten(path), encoding="utf-8", errors="surrogateescape")
        return target

    def _rewritten(self, path: Path) -> str:
        text = _INCLUDE.sub(lambda match: self._redirect(match, path.parent), _read(path))
        return f'#line 1 "{path}"\n{text}' if is_of_host(path) else rewrite(text, str(path), host_assembly=True)

    def _redirect(self, match: re.Match[str], folder: Path) -> str:
        header = self._find(match[3].strip(), folder if match[2] == '"' else None)
        return match[0] if header is None else f'{match[1]}"{self._header(header)}"'

    def _find(self, name: str, folder: Path | None) -> Path | None:
        """The user's header with this name; None if there is none. Our own headers have priority over those in the
        user's folders.
        """
        if folder is not None and (folder / name).is_file():
            return folder / name
        if (INCLUDE / name).is_file():
            return None
        return next((place / name for place in self.include if (place / name).is_file()), None)

    def _header(self, header: Path) -> Path:
        key = header.resolve()
        if key not in self._headers:
            target = self.folder / f"h{len(self._headers)}" / header.name
            self._headers[key] = target
            target.parent.mkdir()
            target.write_text(self._rewritten(header), encoding="utf-8", errors="surrogateescape")
        return self._headers[key]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}; name a CUDA source file") from error


REPORTED = 66
"""The exit status if a program ended normally, but there are findings."""
CANNOT_RUN = 2
"""The exit status if no program can be run, because there is no file or no compiler, or the source has an error."""

REPORT_FILE = "UPSKILL_REPORT_FILE"

_COMPILE_SECONDS, _COMPILE_OUTPUT = 3600.0, 64 << 20
_PATIENCE = 3.0
"""The seconds after SIGTERM in which a program has to end before it is killed."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to build and run."""

    files: tuple[Path, ...]
    include: tuple[Path, ...]
    define: tuple[str, ...]
    host_options: tuple[str, ...]
    """Options for the host's compiler, which are used for compiling and for linking."""
    checks: bool
    arguments: tuple[str, ...]


class CompileError(Exception):
    """Raised if the compiler or the linker rejects the program. The message is the compiler's or the linker's."""


def build(request: Request, scratch: Path) -> Path:
    """Build the executable. Raises UsageError, ToolchainError, NeedsGpu, CompileError, or ValueError with a place."""
    compiler = toolchain.find_compiler()
    folder = scratch / "sources"
    folder.mkdir()
    sources = Sources(folder, request.include)
    units = [sources.unit(path) for path in request.files]
    toolkit = HostCompiler().prepare()
    options = functools.partial(_compile_options, request, compiler, toolkit)
    objects = [unit.with_suffix(".o") for unit in units]
    lines = [
        [*options(is_of_host(path)), f"-iquote{path.parent}", "-c", str(unit), "-o", str(target)]
        for path, unit, target in zip(request.files, units, objects, strict=True)
    ]
    _compile(lines, scratch)
    program = scratch / request.files[0].stem
    wraps = [flag for flag in flags.LINK_FLAGS if flag.startswith("-Wl,--wrap")]
    runtime = [str(toolkit.runtime), f"-Wl,-rpath,{toolkit.runtime.parent}", "-lpthread", "-ldl", "-lm"]
    parts = [*map(str, objects), "-o", str(program), "-pie", *wraps, *runtime, *request.host_options]
    if said := _refused([str(compiler.program), *parts], scratch):
        raise CompileError(f"the program does not link:\n{_explained(_shortened(said), request.files)}")
    return program


def _compile(lines: Sequence[Sequence[str]], scratch: Path) -> None:
    """Compile the program. Raises NeedsGpu with all names of CUDA that the program uses and we lack, and CompileError.

    A compiler stops at a header that it does not find. If it is a header of CUDA, an empty file is created, and the
    compilation is repeated.
    """
    needs: dict[str, None] = {}
    missing = scratch / "missing"
    while True:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            said = [text for text in pool.map(lambda line: _refused([*line, f"-I{missing}"], scratch), lines) if text]
        lacking = [one for text in said for one in mentions(text) if one.unknown and cuda_names.is_name(one.name)]
        first = {one.name: one for one in reversed(lacking)}  # the first mention of each name
        needs |= {message(feature(name), f"{one.file}:{one.line}"): None for name, one in reversed(first.items())}
        headers = [missing / one.name for one in lacking if cuda_names.is_header(one.name)]
        if not any(not header.exists() for header in headers):
            break
        for header in headers:
            header.parent.mkdir(parents=True, exist_ok=True)
            header.touch()
    if needs and said:
        raise NeedsGpu("\n".join(needs))
    for text in said:
        raise CompileError(f"the program does not compile:\n{_shortened(text)}")


def _shortened(said: str) -> str:
    return messages.shorten(said, "", flags.INTERNAL_PREFIXES) or "it says nothing"


def _compile_options(request: Request, compiler: toolchain.Compiler, toolkit: Toolkit, of_host: bool) -> list[str]:
    options = [*flags.student_flags(compiler.family), ALL_ERRORS[compiler.family]]
    first = precompiled(compiler, toolkit) if request.checks and not of_host else []
    if not request.checks:
        options = [flag for flag in options if not flag.startswith(("-fsanitize", "--param=tsan", "-O"))]
        options += ["-O2", "-fwrapv"]
    folders = [f"-I{folder}" for folder in (*flags.INCLUDE_FOLDERS, *request.include)]
    folders += ["-idirafter", str(flags.SAMPLES_INCLUDE)]
    own = [*(f"-D{name}" for name in request.define), *request.host_options]
    return [str(compiler.program), *options, *first, *folders, *own]


def _refused(line: Sequence[str], scratch: Path) -> str:
    """The message of the compiler or the linker if it fails; otherwise empty. Its temporary files go to ``scratch``."""
    environment = {**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C"}  # in English, because the messages are parsed
    ran = process.run(line, environment=environment, seconds=_COMPILE_SECONDS, output_bytes=_COMPILE_OUTPUT)
    return "" if ran.status == 0 else ran.output or f"{line[0]} failed"


_UNDEFINED = re.compile(r"^(?:(?P<place>[^\s:()]+:\d+): |.*?)undefined reference to [`'](?P<name>.*)'$")
_TWICE = re.compile(r"^(?:(?P<place>[^\s:()]+:\d+): |.*?)multiple definition of [`'](?P<name>.*?)'")


def _explained(said: str, files: Sequence[Path]) -> str:
    """The linker's message, with one line for each missing name. A message of another kind stays unchanged."""
    named = ", ".join(map(str, files))
    found: dict[str, str] = {}
    for line in said.splitlines():
        if undefined := _UNDEFINED.match(line):
            name, place = undefined["name"], undefined["place"] or named
            problem = f"{place}: {name} is used, and defined in none of: {named}; name the file that defines it, too"
            if name == "main":
                problem = f"there is no main function in {named}; name the file that has it, too"
            found.setdefault(name, problem)
        elif twice := _TWICE.match(line):
            name, place = twice["name"], twice["place"] or "two files"
            found.setdefault(name, f"{place}: {name} is defined more than once; make a function in a header 'inline'")
    return "\n".join(found.values()) or said


def run(program: Path, arguments: Sequence[str], reports: Path) -> int:
    """Run the program with our input and output. Returns the exit status for this process. Raises NeedsGpu."""
    sys.stdout.flush()
    started: subprocess.Popen[bytes] | None = None
    try:
        with _postponed(signal.SIGTERM, signal.SIGHUP):  # whose handlers raise SystemExit
            started = subprocess.Popen([str(program), *arguments], env={**os.environ, REPORT_FILE: str(reports)})
        while started.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):  # the program gets the signal, too, and handles it
                started.wait()
    except SystemExit:
        if started is not None:
            _end(started)
        raise
    status = started.returncode
    lines = reports.read_text(encoding="utf-8", errors="replace").splitlines() if reports.exists() else []
    reported = findings.parse(lines)
    if needs := [one for one in reported if one.finding.kind == NEEDS_GPU]:
        places, _ = _places(program, findings.places_of(needs))
        told = (message(one.finding.message, places.get(one.pc or "", program.name)) for one in needs)
        raise NeedsGpu("\n".join(dict.fromkeys(told)))
    texts = list(described(reported, program))
    for text in texts:
        print(text, file=sys.stderr)
    if texts:
        print(f"pytest-upskill run: {len(texts)} reported", file=sys.stderr)
        return REPORTED
    if status < 0:
        print(f"pytest-upskill run: the program was killed by signal {-status}", file=sys.stderr)
        return 128 - status
    return status


@contextlib.contextmanager
def _postponed(*numbers: int) -> Iterator[None]:
    """Handle signals that arrive in this context at its end."""
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda number, _: arrived.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)


def _end(started: subprocess.Popen[bytes]) -> None:
    """End a program. It gets time to clean up first."""
    started.terminate()
    try:
        started.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def described(reported: Sequence[findings.Reported], program: Path) -> Iterator[str]:
    """The text ``FILE:LINE: kind: message`` of each finding. Further places in a message have the same form.

    A kernel that is an instance of a template is shown with its template arguments. Of several races at one line, only
    the first of each instance is shown.
    """
    places, instances = _places(program, findings.places_of(reported))
    told: set[tuple[str, str]] = set()
    for entry in reported:
        place, kind = places.get(entry.pc or "", ""), entry.finding.kind
        message = findings.PLACE.sub(lambda found: places.get(found[1], "an unknown place"), entry.finding.message)
        label = _KERNEL.search(message)
        kernel = instances.get(entry.pc or "") or (label[0] if label else "")
        if label:
            message = message[: label.start()] + kernel + message[label.end() :]
        if kind == "race":
            if (place, kernel) in told:
                continue
            told.add((place, kernel))
        yield f"{place}: {kind}: {message}".removeprefix(": ")


_KERNEL = re.compile(r"(?<= in kernel ).+?(?=, block \()")


def _places(program: Path, offsets: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Look up offsets with addr2line. The first result has, by offset, ``FILE:LINE`` of the innermost frame in the
    user's own code. The second result has, by offset, the name of the kernel (the outermost such frame) if the kernel
    is an instance of a template.
    """
    tool = shutil.which("addr2line")
    if tool is None or not offsets:
        return {}, {}
    places, instances = {}, {}
    for offset in offsets:
        command = [tool, "--functions", "--demangle", "--inlines", "--exe", str(program), offset]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        ours = (f"{flags.ALIAS}/", "/include/c++/")
        frames = [(function, place.split(" ")[0]) for function, place in zip(said[::2], said[1::2], strict=False)]
        own = [frame for frame in frames if not (frame[1].startswith("?") or any(name in frame[1] for name in ours))]
        if own:
            places[offset] = _shown(own[0][1], program)
        kernels = [short_name(function) for function, _ in own if "::operator()" not in function]
        if kernels and kernels[-1].endswith(">"):
            instances[offset] = kernels[-1]
    return places, instances


def _shown(frame: str, program: Path) -> str:
    """The place of a frame. The path is relative if it lies below the working folder."""
    name, _, line = frame.rpartition(":")
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        name = str(path.relative_to(Path.cwd()))
    return f"{name}:{line}"
