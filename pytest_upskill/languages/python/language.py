"""The language ``python`` and its calls. See ``languages.base``.

Outputs are bytes, which other code judges. What the worker reports about its kernel is evidence, not proof.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.devices.base import Machine
from pytest_upskill.errors import SandboxError
from pytest_upskill.languages.base import Executor, SourceMutant
from pytest_upskill.languages.python import SOURCE_NAME, mutants
from pytest_upskill.languages.python.growth import Counts, Growth
from pytest_upskill.languages.python.server import KernelProcess, WorkerServer
from pytest_upskill.records import (
    Answer,
    Assertion,
    Build,
    Call,
    CallLayout,
    Finding,
    ScalarArgument,
    TensorArgument,
)
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.message_process import Limits
from pytest_upskill.sandbox.shared_memory import FRESH_EVERY, POISON_OF_REPEATS, POISONS, Places, bytes_of

_FILE = "kernel.json"


class PythonLanguage:
    """Functions of torch, on the cpu only. Nothing is compiled: a build is one file with the source and the entry."""

    name = "python"
    source_name = SOURCE_NAME
    devices = ("cpu",)
    compiles = False
    checks = ("runs", "correct", "deterministic", "inputs")

    def __init__(self) -> None:
        self._cache = Cache()
        self._lock = threading.Lock()
        self._servers: dict[Confinement, WorkerServer] = {}

    def identity(self) -> str:
        return f"python {sys.version}"

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """Make a build. ``entry`` is JSON with ``name``, ``results`` (names), ``forbid`` (operators) and
        ``vectorised``.
        """
        plain = {"source": sources[self.source_name], "source_name": self.source_name, "entry": json.loads(entry)}
        text = json.dumps(plain)

        def make(folder: Path) -> Made:
            (folder / _FILE).write_text(text, encoding="utf-8")
            return Made(Facts())

        kept = self._cache.get(key_of("python", text), make)
        return Build(library=kept.folder / _FILE, cached=not kept.fresh)

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> PythonExecutor:
        assert build.library is not None
        confinement = machine.confinement
        with self._lock:
            server = self._servers.setdefault(confinement, WorkerServer(confinement))
        return PythonExecutor(build.library, server, Limits(seconds=timeout), filtered=confinement.filtered)

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return mutants.source_mutants(source, count, seed)

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """Returns None, because no line of a function of tensors writes single elements."""

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        libraries = [build.library for build in (original, mutant) if build.library is not None]
        sources = [json.loads(library.read_text(encoding="utf-8"))["source"] for library in libraries]
        known = [fingerprint(source) for source in sources]
        return len(known) == 2 and known[0] is not None and known[0] == known[1]


def fingerprint(source: str) -> object:
    """A value that is equal for sources with equal bytecode, whatever their line numbers; None for a syntax error."""
    try:
        return _of(compile(source, "kernel.py", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _of(code: types.CodeType) -> tuple[object, ...]:
    # By repr, because 0.0 == -0.0 and 1 == True.
    constants = tuple(_of(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags


class PythonExecutor(Executor):
    """Calls one kernel in a worker. The worker is started when it is needed, also after an earlier worker has ended.
    Use it in one thread at a time.
    """

    def __init__(self, kernel: Path, server: WorkerServer, limits: Limits, *, filtered: bool) -> None:
        """``kernel`` is the file of the build. Raises SandboxError if it cannot be opened."""
        self._server, self._limits, self._filtered = server, limits, filtered
        try:
            self._entry: Mapping[str, Any] = json.loads(kernel.read_text(encoding="utf-8"))["entry"]
            self._kernel: int = os.open(kernel, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SandboxError(f"cannot open {kernel}: {error.strerror}; build the kernel again") from error
        self._process: KernelProcess | None = None
        self._calls = 0
        self._seen: dict[str, str] = {}
        self._growth = Growth() if self._entry.get("vectorised") else None

    def call(self, call: Call) -> Answer:
        self._calls += 1
        answer, _ = self._call(call, POISONS[self._calls % len(POISONS)])
        if self._growth is not None:
            self._growth.see(call, answer.ran)
        return answer

    def repeat(self, call: Call, time: int) -> Answer:
        if time % FRESH_EVERY == 0:
            self.stop()
        return self._call(call, POISON_OF_REPEATS)[0]

    def violations(self) -> Sequence[str]:
        return list(self._seen.values())

    def assertions(self) -> Sequence[Assertion]:
        """``vectorised``, if the case has it: the work done in Python must not grow with the sizes."""
        return () if self._growth is None else (self._growth.assertion(self._count),)

    def _count(self, call: Call) -> Counts | str:
        """The work of a call, or why it cannot be counted. Two calls are made before without counting, because the
        first calls do additional set-up.
        """
        outputs: list[Mapping[str, Any]] = []
        for count in (False, False, True):
            answer, counts = self._call(call, POISON_OF_REPEATS, count=count)
            if not answer.ran:
                return next(finding.message for finding in answer.findings if finding.assertion == "runs")
            outputs.append(answer.outputs)
        if outputs[0] == outputs[1] != outputs[2]:
            return "it gives another result while it is counted"
        return counts or "its process did not tell"

    def _call(self, call: Call, poison: int, **options: object) -> tuple[Answer, Counts | None]:
        """Make a call. ``options`` are further parts of the request; ``count=True`` counts the work."""
        places = Places(call)
        try:
            if self._process is None:
                self._process = KernelProcess(self._server, self._kernel, self._limits, filtered=self._filtered)
            worker = self._process
            worker.memory.map(places.size)
            memory = worker.memory.view
            places.write_inputs(memory)
            for argument, offset in places.tensors:
                if argument.role == "output":
                    pattern = poison.to_bytes(2, "little") * (argument.nbytes // 2 + 1)
                    memory[offset : offset + argument.nbytes] = pattern[: argument.nbytes]
            nonce = secrets.token_bytes(8)
            arguments = [_plain(argument, offset) for argument, offset in places.all]
            request = json.dumps({"size": places.size, "arguments": arguments, **options})
            reply, seconds = worker.exchange(nonce + request.encode())
            plain = reply if isinstance(reply, Finding) else _parsed(reply, nonce)
            if isinstance(plain, Finding):
                self.stop()
                return Answer({}, (plain,), seconds), None
            self._note(plain)
            found = _finding(plain, self._limits.seconds)
            changed = _changed(places, memory)
            outputs = places.outputs(memory) if found is None else {}
            return Answer(outputs, tuple(one for one in (found, *changed) if one), seconds), _counts(plain)
        except BaseException:
            self.stop()
            raise

    def _note(self, plain: Mapping[str, Any]) -> None:
        """Record the forbidden operators that the worker reports for a call."""
        for name, called, line in plain["seen"]:
            place = f"{SOURCE_NAME}:{line}: " if line else ""
            shown = f" (as '{findings.clean(called)[:80]}')" if called != name else ""
            message = f"{place}it calls '{findings.clean(name)[:80]}'{shown}, which the task forbids"
            if name == "":
                message = "the record of its operators was ended while it ran; leave torch's profiler alone"
            self._seen.setdefault(name, message)

    def stop(self) -> None:
        """End the process, whatever it is doing. The next call starts a new process."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def __exit__(self, *exception: object) -> None:
        self.stop()
        kernel, self._kernel = self._kernel, -1
        if kernel >= 0:
            os.close(kernel)


def _plain(argument: TensorArgument | ScalarArgument, offset: int) -> dict[str, Any]:
    """An argument as plain data, for a request."""
    if isinstance(argument, ScalarArgument):
        return {"name": argument.name, "value": argument.value}
    plain = {"name": argument.name, "role": argument.role, "dtype": argument.dtype, "shape": list(argument.shape)}
    return {**plain, "offset": offset}


def _changed(places: Places, memory: memoryview) -> list[Finding]:
    """A finding for each input that the call has changed."""
    advice = "work on a copy, as 'x.clone()' makes one"
    return [
        Finding("inputs", "input-modified", f"argument '{argument.name}' was changed in place; {advice}")
        for argument, offset in places.tensors
        if argument.role == "input" and bytes(memory[offset : offset + argument.nbytes]) != bytes(bytes_of(argument))
    ]


def _parsed(reply: bytes, nonce: bytes) -> Mapping[str, Any] | Finding:
    """The reply as plain data of the right types. If the reply breaks the protocol, a finding."""
    try:
        plain: Any = json.loads(reply.removeprefix(nonce)) if reply.startswith(nonce) else None
        seen = [(str(name), str(called), _line(line)) for name, called, line in plain.get("seen", ())]
        kind, line = plain.get("kind"), _line(plain.get("line"))
        return {**plain, "seen": seen, "kind": kind, "line": line, "message": str(plain.get("message", ""))}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return findings.protocol("its answer cannot be read")


def _line(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 31 else None


def _finding(plain: Mapping[str, Any], seconds: float) -> Finding | None:
    """Why there is no result, as a finding for ``runs``; None if there is a result."""
    kind, line, message = plain["kind"], plain["line"], findings.clean(plain["message"])
    if kind is None:
        return None
    if kind == "timeout":
        return replace(findings.timeout(seconds), line=line)
    if kind == "result":
        return Finding("runs", "result", f"the function {message}")
    if message.startswith("MemoryError") or "can't allocate memory" in message:
        return Finding("runs", "memory-limit", f"out of memory: {message}", line)
    return Finding("runs", "exception", f"raised {message}", line)


def _counts(plain: Mapping[str, Any]) -> Counts | None:
    try:
        found = plain["counts"]
        lines = {int(line): int(count) for line, count in found["lines"]}
        counts = Counts(int(found["instructions"]), int(found["operators"]), int(found["bytes"]), lines)
        return counts if found["kept"] else None
    except (KeyError, TypeError, ValueError):
        return None
