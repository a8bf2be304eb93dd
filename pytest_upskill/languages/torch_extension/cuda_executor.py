"""One build for the backend cuda, on the cpu device: see ``languages.base.Executor``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_upskill.errors import SandboxError
from pytest_upskill.languages.cuda.language import without_launches
from pytest_upskill.languages.python.server import WorkerServer
from pytest_upskill.languages.torch_extension.compiler import LIBRARY
from pytest_upskill.languages.torch_extension.executor import ExtensionExecutor
from pytest_upskill.records import Answer, Assertion, Call, Finding, LaunchStatistics
from pytest_upskill.sandbox import findings, process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources
from pytest_upskill.sandbox.message_process import Limits
from pytest_upskill.sandbox.shared_memory import FRESH_EVERY, POISON_OF_REPEATS

_FORWARD, _REVERSE, _RANDOM = 0, 1, 2
_LIMIT = 0.8
"""The share of a call's limit after which the device stops a kernel, so that its line is known."""
_GUARD = "guard it: const at::cuda::OptionalCUDAGuard guard(device_of(x))"
_STREAM = "launch on PyTorch's stream: <<<blocks, threads, 0, at::cuda::getCurrentCUDAStream()>>>"
_NUMBERS = re.compile(r"(\d{1,16}) (\d{1,16})\Z")
_SYMBOLS = Resources(cpu_seconds=30, memory=4 << 30, file_size=1 << 20)


class CudaExtensionExecutor(ExtensionExecutor):
    """Calls the operator with CUDA tensors; reports of the device have lines of the project's files."""

    def __init__(
        self, kernel: Path, server: WorkerServer, limits: Limits, confinement: Confinement, paths: Sequence[str]
    ) -> None:
        """``paths`` are the project's sources."""
        super().__init__(kernel, server, limits, filtered=confinement.filtered)
        self._places = _Places(kernel.with_name(LIBRARY), confinement, paths)
        self._statistics = LaunchStatistics()
        self._launched = self._unwritten = 0
        self._order = [_FORWARD, 1]
        self._text, self._written = "", True

    @property
    def launch_statistics(self) -> LaunchStatistics:
        return self._statistics

    def repeat(self, call: Call, time: int) -> Answer:
        """The call with another order of threads: first reverse, then random ones, seeded with ``time``."""
        if time % FRESH_EVERY == 0:
            self.stop()
        self._order = [_REVERSE, 1] if time == 0 else [_RANDOM, time]
        try:
            return self._call(call, POISON_OF_REPEATS)[0]
        finally:
            self._order = [_FORWARD, 1]

    def call(self, call: Call) -> Answer:
        answer = super().call(call)
        self._statistics = self._statistics.with_call(call, answer)
        if answer.ran and answer.launches and not answer.findings:  # a write that was refused has its own finding
            self._launched += 1
            self._unwritten += not self._written
        return answer

    def gradient(self, call: Call) -> Answer:
        answer = super().gradient(call)
        self._statistics = self._statistics.with_call(call, answer)
        return answer

    def violations(self) -> Sequence[str]:
        found = [*super().violations(), *without_launches(self._statistics)]
        if self._launched and self._unwritten == self._launched:
            calls = f"in {self._launched} calls kernels were launched, and none of them wrote to a result"
            found.append(f"{calls}: what an operator returns must be written by kernels, not copied or filled by torch")
        return found

    def assertions(self) -> Sequence[Assertion]:
        """The assertions of a project for the cpu, ``guard`` and ``stream``."""
        found = super().assertions()
        if not found or (call := self._sample) is None:
            return found
        return [
            *found,
            self._launches_in_order(call, "guard", "with tensors on a device that is not the current one", _GUARD),
            self._launches_in_order(call, "stream", "with a current stream that is not the default one", _STREAM),
        ]

    def _launches_in_order(self, call: Call, mode: str, when: str, advice: str) -> Assertion:
        """A call that fails if a kernel is launched on the current device, or on a default stream, by mistake."""
        _, problem = self._other(call, mode)
        what = f"{when}: {problem.message}" if problem else ""
        if problem and "it is launched on" in problem.message:
            what += f"; {advice}"
        return Assertion(mode, not what, what)

    def _call(self, call: Call, poison: int, **options: object) -> tuple[Answer, Any]:
        self._text, self._written = "", True
        seconds = _LIMIT * self._limits.seconds
        answer, counts = super()._call(call, poison, order=self._order, seconds=seconds, **options)
        return self._with_reports(answer), counts

    def _note(self, plain: Mapping[str, Any]) -> None:
        super()._note(plain)
        self._text = str(plain.get("reports", ""))[: 1 << 16]
        self._written = bool(plain.get("written", True))

    def _with_reports(self, answer: Answer) -> Answer:
        """The answer with what the device reported; a process in which a launch has failed is ended."""
        head, *lines = self._text.split("\n")
        numbers = _NUMBERS.match(head)
        launches, copied = map(int, numbers.groups()) if numbers else (0, 0)
        found = self._places.located(findings.parse([line for line in lines if not _NUMBERS.match(line)]))
        own = tuple(one for one in answer.findings if not _is_echo(one, found))
        if any(one.assertion == "runs" for one in found):
            self.stop()
            answer = replace(answer, outputs={})
        return replace(answer, findings=(*found, *own), launches=launches, copied_back=copied)


def _is_echo(finding: Finding, reported: Sequence[Finding]) -> bool:
    """Whether the device has reported the same, with a line."""
    if finding.kind == "input-modified":
        return any(one.kind == "write-to-input" for one in reported)
    return finding.kind == "exception" and any(one.assertion == "runs" for one in reported)


class _Places:
    """Looks up addresses in a library: file and line of the project's own code, innermost first."""

    def __init__(self, library: Path, confinement: Confinement, paths: Sequence[str]) -> None:
        self._library, self._confinement = library, confinement
        self._frame = re.compile(rf"(?:^|/)((?:{'|'.join(map(re.escape, paths))}):\d+)")

    def located(self, reported: Sequence[findings.Reported]) -> tuple[Finding, ...]:
        """The findings, whose messages begin with their places."""
        places = dict(self._look_up(findings.places_of(reported))) if reported else {}

        def named(match: re.Match[str]) -> str:
            return places.get(match[1], "a place outside the project's sources")

        def message(entry: findings.Reported) -> str:
            where = places.get(entry.pc or "")
            text = findings.PLACE.sub(named, entry.finding.message)
            return f"{where}: {text}" if where else text

        return tuple(replace(entry.finding, message=message(entry)) for entry in reported)

    def _look_up(self, offsets: Sequence[str]) -> Iterator[tuple[str, str]]:
        program = shutil.which("addr2line")
        if program is None or not offsets:
            return
        argv = [program, "--addresses", "--inlines", f"--exe={self._library}", *offsets]
        command = self._confinement.command(argv, readable=(self._library.parent,), resources=_SYMBOLS)
        try:
            said = process.run(command, environment=ENVIRONMENT, seconds=float(_SYMBOLS.cpu_seconds)).output
        except SandboxError:
            return
        offset = ""
        for line in said.splitlines():
            if line.startswith("0x"):
                offset = hex(int(line, 16))
            elif offset and (frame := self._frame.search(line)):
                yield offset, frame[1]
                offset = ""
