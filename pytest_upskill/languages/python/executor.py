"""Calls a Python kernel in its sandbox, and records the operators it uses. See ``languages.base.Executor``.

Outputs are bytes, judged elsewhere. What the worker reports about its kernel is evidence, not proof.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.errors import SandboxError
from pytest_upskill.languages.python import SOURCE_NAME
from pytest_upskill.languages.python.growth import Counts, Growth
from pytest_upskill.languages.python.kernel_process import KernelProcess
from pytest_upskill.languages.python.server import WorkerServer
from pytest_upskill.records import (
    ITEM_SIZE,
    Answer,
    Assertion,
    Call,
    Finding,
    LaunchStatistics,
    ScalarArgument,
    TensorArgument,
)
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.worker_process import Limits

_ALIGNMENT = 64
_POISONS = (b"\xf9\x7f", b"\xfa\xff")
"""Patterns of two bytes, used in turn: both are a NaN of every floating dtype."""
_POISON_OF_REPEATS = b"\xfc\x7f"
_FRESH_EVERY = 4
"""Every fourth repeat runs in a fresh process, since a kernel could repeat results that it remembers."""


class PythonExecutor:
    """Owns its worker, which it starts on demand, also after the worker has ended. For one thread at a time."""

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

    @property
    def launch_statistics(self) -> LaunchStatistics:
        """Empty: a function launches no kernels."""
        return LaunchStatistics()

    def call(self, call: Call) -> Answer:
        self._calls += 1
        answer, _ = self._call(call, _POISONS[self._calls % len(_POISONS)])
        if self._growth is not None:
            self._growth.see(call, answer.ran)
        return answer

    def repeat(self, call: Call, time: int) -> Answer:
        if time % _FRESH_EVERY == 0:
            self.stop()
        return self._call(call, _POISON_OF_REPEATS)[0]

    def violations(self) -> Sequence[str]:
        return list(self._seen.values())

    def assertions(self) -> Sequence[Assertion]:
        """``vectorised``, if the case has it: the work done in Python must not grow with the sizes."""
        return () if self._growth is None else (self._growth.assertion(self._count),)

    def _count(self, call: Call) -> Counts | str:
        """The work of a call, or why it cannot be counted. Two uncounted calls come first, for work on first use."""
        outputs: list[Mapping[str, Any]] = []
        for count in (False, False, True):
            answer, counts = self._call(call, _POISON_OF_REPEATS, count=count)
            if not answer.ran:
                return next(finding.message for finding in answer.findings if finding.assertion == "runs")
            outputs.append(answer.outputs)
        if outputs[0] == outputs[1] != outputs[2]:
            return "it gives another result while it is counted"
        return counts or "its process did not tell"

    def _call(self, call: Call, poison: bytes, *, count: bool = False) -> tuple[Answer, Counts | None]:
        layout = _Layout(call)
        try:
            worker = self._ready(layout.size)
            layout.write_to(worker.memory.view, poison)
            nonce = secrets.token_bytes(8)
            request = json.dumps({"size": layout.size, "count": count, "arguments": layout.arguments})
            exchange = worker.exchange(nonce + request.encode())
            reply = exchange.reply
            plain = reply if isinstance(reply, Finding) else _parsed(reply, nonce)
            if isinstance(plain, Finding):
                self.stop()
                return Answer({}, (plain,), exchange.seconds), None
            self._note(plain)
            found = _finding(plain, self._limits.seconds)
            changed = layout.changed(worker.memory.view)
            outputs = layout.outputs(worker.memory.view) if found is None else {}
            return Answer(outputs, tuple(one for one in (found, *changed) if one), exchange.seconds), _counts(plain)
        except BaseException:
            self.stop()
            raise

    def _ready(self, size: int) -> KernelProcess:
        if self._process is None:
            self._process = KernelProcess(self._server, self._kernel, self._limits, filtered=self._filtered)
        self._process.memory.map(size)
        return self._process

    def _note(self, plain: Mapping[str, Any]) -> None:
        """Records the forbidden operators of a call, which the worker reports."""
        for name, called, line in plain["seen"]:
            place = f"{SOURCE_NAME}:{line}: " if line else ""
            shown = f" (as '{findings.clean(called)[:80]}')" if called != name else ""
            message = f"{place}it calls '{findings.clean(name)[:80]}'{shown}, which the task forbids"
            if name == "":
                message = "the record of its operators was ended while it ran; leave torch's profiler alone"
            self._seen.setdefault(name, message)

    def stop(self) -> None:
        """Ends the process, whatever it is doing; the next call starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def __enter__(self) -> PythonExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        kernel, self._kernel = self._kernel, -1
        if kernel >= 0:
            os.close(kernel)


class _Layout:
    """The place of each tensor of a call in the shared memory."""

    def __init__(self, call: Call) -> None:
        self.size = 0
        self._places: list[tuple[TensorArgument, int]] = []
        self.arguments = [self._placed(argument) for argument in call.arguments]
        self.size = max(self.size, _ALIGNMENT)

    def _placed(self, argument: TensorArgument | ScalarArgument) -> dict[str, Any]:
        if isinstance(argument, ScalarArgument):
            return {"name": argument.name, "value": argument.value}
        offset = self.size
        self._places.append((argument, offset))
        self.size += -(-argument.nbytes // _ALIGNMENT) * _ALIGNMENT
        plain = {"name": argument.name, "role": argument.role, "dtype": argument.dtype, "shape": list(argument.shape)}
        return {**plain, "offset": offset}

    def write_to(self, memory: memoryview, poison: bytes) -> None:
        """Copies inputs, and fills outputs with a pattern."""
        for argument, offset in self._places:
            place = memory[offset : offset + argument.nbytes]
            if argument.role == "output":
                place[:] = (poison * (argument.nbytes // 2 + 1))[: argument.nbytes]
            elif argument.nbytes:
                place[:] = _bytes_of(argument)

    def outputs(self, memory: memoryview) -> dict[str, bytes]:
        """Copies of the outputs, since the process could still write to the memory."""
        return {
            argument.name: bytes(memory[offset : offset + argument.nbytes])
            for argument, offset in self._places
            if argument.role != "input"
        }

    def changed(self, memory: memoryview) -> list[Finding]:
        """A finding for each input that the call changed."""
        found = []
        for argument, offset in self._places:
            if argument.role != "input" or not argument.nbytes:
                continue
            if bytes(memory[offset : offset + argument.nbytes]) != bytes(_bytes_of(argument)):
                message = f"argument '{argument.name}' was changed in place; work on a copy, as 'x.clone()' makes one"
                found.append(Finding("inputs", "input-modified", message))
        return found


def _bytes_of(argument: TensorArgument) -> memoryview:
    view = memoryview(argument.data if argument.data is not None else b"")
    if view.nbytes != argument.elements * ITEM_SIZE[argument.dtype]:
        raise SandboxError(
            f"tensor {argument.name!r} brings {view.nbytes} bytes, but shape {argument.shape} of {argument.dtype} "
            f"has {argument.nbytes}; pass its contiguous data"
        )
    return view.cast("B")


def _parsed(reply: bytes, nonce: bytes) -> Mapping[str, Any] | Finding:
    """The reply as plain data of the right types, or the finding that it breaks the protocol."""
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
    """Why there is no result, as a finding for ``runs``; None if there is one."""
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
