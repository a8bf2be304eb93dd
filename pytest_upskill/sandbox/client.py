"""The parent's side of a sandbox: sends calls, in the driver's format (native/driver.h), and returns the answers."""

from __future__ import annotations

import os
import re
import secrets
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import ITEM_SIZE, Answer, Call, Finding, LaunchStatistics, ScalarArgument, TensorArgument
from pytest_upskill.sandbox import findings, process
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox.compute_sanitizer import parse_sanitizer
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, GpuAccess, python, python_paths
from pytest_upskill.sandbox.message_process import DEFAULT_LIMITS, MESSAGE_BYTES, Limits, MessageProcess, PrintedOutput
from pytest_upskill.sandbox.shared_memory import FRESH_EVERY, POISON_OF_REPEATS, POISONS, SCALAR_FORMAT, Places, size_of
from pytest_upskill.sandbox.source_lines import Symbols

WORKER = Path(__file__).resolve().with_name("worker.py")

_START_SECONDS = 30.0
_WALL = 3.0
"""On the cpu device, a call's limit counts processor time. A call that only waits is ended when this multiple of the
limit has elapsed.
"""
_GPU_START_SECONDS = 90.0


class WorkerProcess(MessageProcess):
    """A worker, started without waiting for it. Raises SandboxError if it cannot be started."""

    def __init__(self, confinement: Confinement, limits: Limits = DEFAULT_LIMITS, gpu: GpuAccess | None = None) -> None:
        """With ``gpu``, the process opens that GPU before it says that it is ready."""
        super().__init__(limits if gpu else replace(limits, seconds=_WALL * limits.seconds))
        self._gpu = gpu
        self._ready = False
        self._filtered = confinement.filtered
        passed = (self._theirs.fileno(), self.memory.descriptor)
        words = [*passed, limits.memory, limits.cpu_seconds, limits.file_size, "cuda" if gpu else "cpu", limits.seconds]
        rules = [
            filters.for_kernels(gpu is not None),
            filters.asking_for_threads(),
            "" if gpu else filters.without_new_code(),
        ]
        argv = [python(), "-I", "-S", str(WORKER), *map(str, words), *rules]
        if gpu is not None:
            argv = [*gpu.prefix, *argv]
            confinement = confinement.with_devices(gpu.devices, gpu.readable)
        command = confinement.command(argv, readable=(*python_paths(), WORKER.parent))
        environment = {**ENVIRONMENT, **gpu.environment} if gpu else ENVIRONMENT
        start = partial(process.start, command, environment=environment, pass_fds=passed)
        self._process = self._begun(start, process.ending)
        assert self._process.stdout is not None
        self._output = PrintedOutput(self._process.stdout.fileno(), limits.output_bytes)

    def await_ready(self) -> None:
        """Wait until the process is ready. If it does not start, raises SandboxError with what the process printed."""
        reply = self._receive(_GPU_START_SECONDS if self._gpu else _START_SECONDS)
        if reply == b"ready" and self._filtered and self._listener < 0:
            self.end()
            raise SandboxError(
                "the process for kernels could not filter its system calls (seccomp), although this system can; "
                "see whether a container's profile forbids it"
            )
        if reply != b"ready":
            said = self._output.text.strip()
            why = reply.message if isinstance(reply, Finding) else "it sent something else"
            self.end()
            if self._gpu:
                raise SandboxError(f"the GPU could not be opened: {said or why}; nvidia-smi lists who uses it")
            raise SandboxError(
                f"the process for kernels did not start: {said or why}; "
                "check that the interpreter's files can be read, or report this as a defect"
            )

    def send_libraries(self, descriptors: Sequence[int]) -> None:
        """Send the open files of the runtime and the kernel (or the one file of a library that contains both)."""
        socket.send_fds(self._channel, [b"libraries"], descriptors)

    def _answer_listener(self) -> None:
        filters.answer(self._listener)

    def _take_reply(self) -> bytes | Finding:
        """Receive one message. The first message, which is sent before a kernel is loaded, carries the listener's
        descriptor. Descriptors in later messages are not accepted.
        """
        if self._ready:
            return super()._take_reply()
        try:
            reply, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, 1)
        except OSError:
            return b""
        self._listener = descriptors[0] if descriptors else -1
        self._descriptors += descriptors
        self._ready = True
        return reply

    def _status(self, seconds: float) -> int | None:
        if not process.has_ended(self._process, seconds):
            return None
        self._output.drain()
        process.end(self._process)
        return process.status_of(self._process)


RUNTIME = "libupskill_cpu.so"
"""The file name of the cpu device's runtime. It lies in the same folder as every kernel's library."""


_ROLE = {"input": 0, "output": 1, "inplace": 2}
_SCALAR = 3
_HEADER = struct.Struct("<IIIIQII")
_ARGUMENT = struct.Struct("<IIQQ128s")
_STATUS = re.compile(r"(ok|restart|device) (\d{1,16}) (\d{1,16}) (\d{1,16})")


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which the cpu device runs threads. ``kind`` is 0 (forward), 1 (reverse) or 2 (random, from
    ``seed``).
    """

    kind: int = 0
    seed: int = 1
    checks: int = 0x7FFFFFFF


FORWARD = Order()
_REVERSE, _RANDOM = 1, 2

_TIGHT = 0x80000000
"""The bit of ``checks`` that makes the driver allocate tensors without guard bands."""


class Sandbox:
    """A kernel's library in a confined process. The process is started when it is needed, also after an earlier process
    has ended.

    Use it in one thread at a time. The library is opened at once, so the cache may evict it afterwards.
    """

    def __init__(
        self,
        library: Path,
        confinement: Confinement,
        limits: Limits = DEFAULT_LIMITS,
        *,
        gpu: GpuAccess | None = None,
        source_name: str = "",
    ) -> None:
        """``gpu`` is the GPU that the library was built for; such a library contains the driver. ``source_name`` is the
        name of the source in debug information. Findings have lines of this source; if ``source_name`` is empty,
        findings have no lines. Raises SandboxError if the library cannot be opened.
        """
        self._confinement = confinement
        self._source_name = source_name
        self._limits = limits
        self._worker: WorkerProcess | None = None
        self._gpu = gpu
        self._calls = 0
        self.launch_statistics = LaunchStatistics()
        """The statistics of all calls so far."""
        self._symbols = Symbols(library, confinement, source_name)
        self._libraries = _open_all(*([library] if gpu else [library.with_name(RUNTIME), library]))
        if confinement.level == "kernel":  # Landlock would need the libraries' paths
            self._libraries = _in_memory(self._libraries)

    def call(self, call: Call, order: Order = FORWARD, *, again: bool = False) -> Answer:
        """Make one call. The answer has the outputs and the findings. Raises SandboxError if no process can be started.

        A GPU may be used by other programs, too. If its memory does not suffice for the tensors, the call is tried once
        more in a fresh process. If the kernel is not reached then, either, SandboxError is raised, because this is no
        fault of the kernel. With ``again``, the outputs are filled with another pattern than in the first call.
        """
        answer = self._call(call, order, again)
        if self._gpu is not None and not answer.reached:
            answer = self._call(call, order, again)
        self.launch_statistics = self.launch_statistics.with_call(call, answer)
        if self._gpu is not None and not answer.reached:
            raise SandboxError(
                f"the GPU cannot serve a call: {'; '.join(finding.message for finding in answer.findings)}; "
                "nvidia-smi lists the processes that use it; end them, or run fewer workers"
            )
        return answer

    def _call(self, call: Call, order: Order, again: bool) -> Answer:
        if self._gpu is not None:
            # A GPU's order cannot be chosen. Instead, every third call runs beside other work; bits must not differ.
            loaded = order.kind or (1 if self._calls % 3 == 2 else 0)
            order = replace(order, kind=loaded, checks=order.checks | (_TIGHT if self._gpu.prefix else 0))
        poison = POISON_OF_REPEATS if again else POISONS[self._calls % len(POISONS)]
        places = Places(call)
        self._calls += not again
        try:
            worker = self._ready(places.size)
            places.write_inputs(worker.memory.view)
            for argument, offset in places.all:
                if isinstance(argument, ScalarArgument):
                    struct.pack_into(SCALAR_FORMAT[argument.kind], worker.memory.view, offset, argument.value)
            nonce, request = secrets.token_bytes(8), _request(call, places, order, poison, self._limits.scratch_memory)
            reply, seconds = worker.exchange(nonce + places.size.to_bytes(8, "little") + request)
            if isinstance(reply, Finding):
                found = self._watched(worker)
                self.stop()
                return Answer({}, (reply, *found), seconds)
            return self._answer(worker, places, nonce, reply, seconds)
        except BaseException:
            self.stop()
            raise

    def repeat(self, call: Call, time: int) -> Answer:
        """Make the call again, with another order of threads: first reverse, then random orders, seeded with ``time``.

        On a GPU the order cannot be chosen. Every fourth repeat runs in a fresh process, without earlier state.
        """
        if time % FRESH_EVERY == 0:
            self.stop()
        if self._gpu is not None:
            return self.call(call, again=True)
        return self.call(call, Order(_REVERSE) if time == 0 else Order(_RANDOM, seed=time), again=True)

    def _ready(self, size: int) -> WorkerProcess:
        if self._worker is None:
            self._worker = WorkerProcess(self._confinement, self._limits, self._gpu)
            self._worker.await_ready()
            self._worker.send_libraries(self._libraries)
        self._worker.memory.map(size)
        return self._worker

    def _answer(self, worker: WorkerProcess, places: Places, nonce: bytes, reply: bytes, seconds: float) -> Answer:
        head, *lines = reply[len(nonce) :].decode("utf-8", "replace").split("\n")
        known = _STATUS.fullmatch(head)
        if reply[: len(nonce)] != nonce or known is None:
            self.stop()
            return Answer({}, (findings.protocol("its answer does not carry the number of the call"),), seconds)
        status, (memory, launches, copied_back) = known[1], map(int, known.groups()[1:])
        lines, trace = findings.split_coverage(lines)
        lines, noted = findings.split_notes(lines)
        reported = findings.parse(lines)
        found = findings.located(reported, self._symbols.lines)
        found = (*found, *self._watched(worker))
        outputs = places.outputs(worker.memory.view) if status == "ok" else {}
        if status != "ok":
            self.stop()
        notes = findings.located(noted, self._symbols.lines)
        return Answer(outputs, found, seconds, memory, launches, copied_back, status != "device", trace, notes)

    def _watched(self, worker: WorkerProcess) -> tuple[Finding, ...]:
        """The findings of compute-sanitizer, if the process runs under it."""
        if self._gpu is None or not self._gpu.prefix:
            return ()
        return parse_sanitizer(worker.printed(), self._source_name)

    def lines(self, places: Sequence[str]) -> Mapping[str, int]:
        """The lines of the kernel's source, by offset into its library. Offsets that belong to no line of the source
        are left out.
        """
        return self._symbols.lines(places)

    def stop(self) -> None:
        """End the process, whatever it is doing. The next call starts a new process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def close(self) -> None:
        """End the process and close the library. The sandbox cannot be used afterwards."""
        self.stop()
        libraries, self._libraries = self._libraries, ()
        for descriptor in libraries:
            os.close(descriptor)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _request(call: Call, places: Places, order: Order, poison: int, scratch_memory: int) -> bytes:
    """The call in the driver's format: a header, then one record for each argument."""
    drawn = (order.kind, order.checks, order.seed, poison)
    header = _HEADER.pack(call.instantiation, len(places.all), *drawn, -(-scratch_memory // 2**20))
    return header + b"".join(_record(argument, offset) for argument, offset in places.all)


def _record(argument: TensorArgument | ScalarArgument, offset: int) -> bytes:
    role, element = _SCALAR, 0
    if isinstance(argument, TensorArgument):
        role, element = _ROLE[argument.role], ITEM_SIZE[argument.dtype]
    return _ARGUMENT.pack(role, element, offset, size_of(argument), argument.name.encode()[:127])


def _in_memory(files: tuple[int, ...]) -> tuple[int, ...]:
    """Copy files into memory, and close the originals. Returns the descriptors of the copies."""
    copies: list[int] = []
    for descriptor in files:
        copies.append(os.memfd_create("library", os.MFD_CLOEXEC))
        while os.sendfile(copies[-1], descriptor, None, 1 << 24):
            pass
        os.close(descriptor)
    return tuple(copies)


def _open_all(*paths: Path) -> tuple[int, ...]:
    opened: list[int] = []
    try:
        for path in paths:
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise SandboxError(f"cannot open {path}: {error.strerror}; build the kernel again") from error
    return tuple(opened)
