"""The parent's side of a sandbox: sends calls to the process in which a kernel is loaded, and returns their answers.

Knows the driver's request format (native/driver.h). Outputs are bytes; the oracle compares them.
"""

from __future__ import annotations

import os
import re
import secrets
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import ITEM_SIZE, Answer, Call, Finding, LaunchStatistics, ScalarArgument, TensorArgument
from pytest_upskill.sandbox import compute_sanitizer as sanitizer
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.gpu_access import GpuAccess
from pytest_upskill.sandbox.source_lines import Symbols
from pytest_upskill.sandbox.worker_process import DEFAULT_LIMITS, Limits, WorkerProcess

RUNTIME = "libupskill_cpu.so"
"""The runtime of the cpu device, in the folder of every kernel's library."""

__all__ = ["RUNTIME", "Limits", "Sandbox"]

_ROLE = {"input": 0, "output": 1, "inplace": 2}
_SCALAR = 3
_SCALAR_FORMAT = {"float": "<f", "int": "<q", "bool": "<?"}
_HEADER = struct.Struct("<IIIIQII")
_ARGUMENT = struct.Struct("<IIQQ128s")
_STATUS = re.compile(r"(ok|restart|device) (\d{1,16}) (\d{1,16}) (\d{1,16})")
_ALIGNMENT = 64
_POISONS = (0x7FF9, 0xFFFA)
"""Patterns of two bytes, used alternately: NaNs of every floating dtype, which no GPU computes. All their bytes
differ."""

_POISON_OF_REPEATS = 0x7FFC
"""Used in repeated calls: an element that is never written has other bits in a repeat, even if a NaN is expected."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which the cpu device runs threads: ``kind`` is forward, reverse or random."""

    kind: int = 0
    seed: int = 1
    checks: int = 0x7FFFFFFF


FORWARD = Order()
_REVERSE, _RANDOM = 1, 2

_FRESH_EVERY = 4
"""One repeat in four starts in a fresh process: a kernel could store its answers and repeat them."""

_TIGHT = 0x80000000
"""The bit of ``checks`` by which the driver allocates tensors without guard bands."""


class Sandbox:
    """A kernel's library in a confined process, which is started when needed, and again after it has ended.

    For one thread at a time. The library is opened at once, so that the cache may evict it afterwards.
    """

    def __init__(
        self,
        library: Path,
        confinement: Confinement,
        limits: Limits = DEFAULT_LIMITS,
        *,
        worker: WorkerProcess | None = None,
        gpu: GpuAccess | None = None,
        source_name: str = "",
    ) -> None:
        """``worker`` was started in advance, with the same confinement, limits and GPU; the sandbox owns it. With
        ``gpu``, the library was built for it, and contains the driver. Findings have lines of the source that debug
        information calls ``source_name``; without it they have none.

        Raises SandboxError when the library cannot be opened.
        """
        self._confinement = confinement
        self._source_name = source_name
        self._limits = limits
        self._worker = worker
        self._gpu = gpu
        self._loaded = False
        self._calls = 0
        self.launch_statistics = LaunchStatistics()
        """Of all calls so far."""
        self._symbols = Symbols(library, confinement, source_name)
        self._libraries = _open_all(*([library] if gpu else [library.with_name(RUNTIME), library]))
        if confinement.level == "kernel":  # Landlock would need their paths
            self._libraries = _in_memory(self._libraries)

    def start(self) -> None:
        """Starts the process now, if there is none; returns at once. Raises SandboxError."""
        if self._worker is None:
            self._worker = WorkerProcess(self._confinement, self._limits, self._gpu)
            self._loaded = False

    def call(self, call: Call, order: Order = FORWARD, *, again: bool = False) -> Answer:
        """Makes one call. The kernel's effects are in the answer; raises SandboxError if no process can be started.

        A GPU is shared: if its memory does not suffice for the tensors, a fresh process tries once more. If that one
        does not reach the kernel either, other programs use the memory: an error, not a verdict. In a call that is made
        ``again``, the outputs are filled with another pattern than in the first one.
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
            order = self._on_gpu(order)
        poison = _POISON_OF_REPEATS if again else _POISONS[self._calls % len(_POISONS)]
        layout = _Layout(call, poison, order, self._limits.scratch_memory)
        self._calls += not again
        try:
            worker = self._ready(layout.size)
            layout.write_to(worker.memory.view)
            nonce = secrets.token_bytes(8)
            exchange = worker.exchange(nonce + layout.size.to_bytes(8, "little") + layout.request)
            if isinstance(exchange.reply, Finding):
                found = self._watched(worker)
                self.stop()
                return Answer({}, (exchange.reply, *found), exchange.seconds)
            return self._answer(worker, layout, nonce, exchange.reply, exchange.seconds)
        except BaseException:
            self.stop()
            raise

    def repeat(self, call: Call, time: int) -> Answer:
        """Makes the call with another order of threads: first reverse, then random orders, seeded with ``time``.

        The order on a GPU cannot be chosen. Every fourth repeat starts in a fresh process, without earlier state.
        """
        if time % _FRESH_EVERY == 0:
            self.stop()
        if self._gpu is not None:
            return self.call(call, again=True)
        return self.call(call, Order(_REVERSE) if time == 0 else Order(_RANDOM, seed=time), again=True)

    def _on_gpu(self, order: Order) -> Order:
        """The order on a GPU cannot be chosen: in every third call it has other work, too. Bits must not differ."""
        assert self._gpu is not None
        loaded = order.kind or (1 if self._calls % 3 == 2 else 0)
        return replace(order, kind=loaded, checks=order.checks | (_TIGHT if self._gpu.prefix else 0))

    def _ready(self, size: int) -> WorkerProcess:
        self.start()
        worker = self._worker
        assert worker is not None
        if not self._loaded:
            worker.await_ready()
            worker.send_libraries(self._libraries)
            self._loaded = True
        worker.memory.map(size)
        return worker

    def _answer(self, worker: WorkerProcess, layout: _Layout, nonce: bytes, reply: bytes, seconds: float) -> Answer:
        head, *lines = reply[len(nonce) :].decode("utf-8", "replace").split("\n")
        known = _STATUS.fullmatch(head)
        if reply[: len(nonce)] != nonce or known is None:
            self.stop()
            return Answer({}, (findings.protocol("its answer does not carry the number of the call"),), seconds)
        status, (memory, launches, copied_back) = known[1], map(int, known.groups()[1:])
        reported = findings.parse(lines)
        found = findings.located(reported, self._symbols.lines)
        found = (*found, *self._watched(worker))
        outputs = layout.outputs(worker.memory.view) if status == "ok" else {}
        if status != "ok":
            self.stop()
        return Answer(outputs, found, seconds, memory, launches, copied_back, reached=status != "device")

    def _watched(self, worker: WorkerProcess) -> tuple[Finding, ...]:
        """The findings of compute-sanitizer, if the process runs under it."""
        if self._gpu is None or not self._gpu.prefix:
            return ()
        return sanitizer.parse(worker.printed(), self._source_name)

    def stop(self) -> None:
        """Ends the process, whatever it is doing; the next call starts another."""
        worker, self._worker = self._worker, None
        self._loaded = False
        if worker is not None:
            worker.end()

    def close(self) -> None:
        """Ends the process and closes the library. The sandbox cannot be used afterwards."""
        self.stop()
        libraries, self._libraries = self._libraries, ()
        for descriptor in libraries:
            os.close(descriptor)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Layout:
    """The offsets of a call's arguments in the shared memory, and the request with these offsets."""

    def __init__(self, call: Call, poison: int, order: Order, scratch_memory: int) -> None:
        self._places: list[tuple[TensorArgument | ScalarArgument, int]] = []
        self.size = 0
        records = [self._place(argument) for argument in call.arguments]
        drawn = (order.kind, order.checks, order.seed, poison)
        header = _HEADER.pack(call.instantiation, len(records), *drawn, -(-scratch_memory // 2**20))
        self.request = header + b"".join(records)
        self.size = max(self.size, _ALIGNMENT)

    def _place(self, argument: TensorArgument | ScalarArgument) -> bytes:
        offset = self.size
        self._places.append((argument, offset))
        if isinstance(argument, ScalarArgument):
            role, element, size = _SCALAR, 0, struct.calcsize(_SCALAR_FORMAT[argument.kind])
        else:
            role, element, size = _ROLE[argument.role], ITEM_SIZE[argument.dtype], argument.nbytes
        self.size += -(-size // _ALIGNMENT) * _ALIGNMENT
        return _ARGUMENT.pack(role, element, offset, size, argument.name.encode()[:127])

    def write_to(self, memory: memoryview) -> None:
        """Copies inputs and scalars into the shared memory. Raises SandboxError for data of another size."""
        for argument, offset in self._places:
            if isinstance(argument, ScalarArgument):
                struct.pack_into(_SCALAR_FORMAT[argument.kind], memory, offset, argument.value)
            elif argument.role != "output":
                memory[offset : offset + argument.nbytes] = _bytes_of(argument)

    def outputs(self, memory: memoryview) -> dict[str, bytes]:
        """Copies of the outputs: the process could still write to its own."""
        return {
            argument.name: bytes(memory[offset : offset + argument.nbytes])
            for argument, offset in self._places
            if isinstance(argument, TensorArgument) and argument.role != "input"
        }


def _bytes_of(argument: TensorArgument) -> memoryview:
    view = memoryview(argument.data if argument.data is not None else b"")
    if view.nbytes != argument.nbytes:
        raise SandboxError(
            f"tensor {argument.name!r} brings {view.nbytes} bytes, but shape {argument.shape} of {argument.dtype} "
            f"has {argument.nbytes}; pass its contiguous data"
        )
    return view.cast("B") if view.nbytes else memoryview(b"")


def _in_memory(files: tuple[int, ...]) -> tuple[int, ...]:
    """The same files as copies in memory; the originals are closed."""
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
