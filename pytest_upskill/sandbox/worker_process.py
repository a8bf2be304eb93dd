"""One started worker: its process, its channel, its shared memory, and its end. Knows nothing of tensors."""

from __future__ import annotations

import array
import os
import select
import socket
import subprocess
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import Finding
from pytest_upskill.sandbox import findings, process
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox import thread_requests as threads
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, python, python_paths
from pytest_upskill.sandbox.gpu_access import GpuAccess
from pytest_upskill.sandbox.shared_memory import SharedMemory

WORKER = Path(__file__).resolve().with_name("worker.py")

_START_SECONDS = 30.0
_GPU_START_SECONDS = 90.0
_END_SECONDS = 1.0
_MESSAGE_BYTES = 1 << 16
_KEPT_OUTPUT = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """What one kernel may use: seconds for a call, processor seconds for all calls of a process, and bytes.

    ``scratch_memory`` is device memory beside the tensors (0: any amount); ``memory`` bounds the cpu device's anyway.
    """

    seconds: float = 10.0
    cpu_seconds: int = 600
    memory: int = 4 << 30
    output_bytes: int = 1 << 20
    file_size: int = 16 << 20
    scratch_memory: int = 0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came of one message: the process's reply, or the finding that explains why there is none."""

    reply: bytes | Finding
    seconds: float


class WorkerProcess:
    """A worker, started without waiting for it. Raises SandboxError where it cannot be started."""

    def __init__(self, confinement: Confinement, limits: Limits = DEFAULT_LIMITS, gpu: GpuAccess | None = None) -> None:
        """With ``gpu``, the process opens that GPU before it says that it is ready."""
        self._limits = limits
        self._gpu = gpu
        self._kept = bytearray()
        self._printed = 0
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.memory = SharedMemory(limits.memory)
        self._ready = False
        self._listener = -1
        self._descriptors = [self.memory.descriptor]
        self._filtered = confinement.filtered
        argv = [python(), "-I", "-S", str(WORKER), str(theirs.fileno()), str(self.memory.descriptor)]
        argv += [str(limits.memory), str(limits.cpu_seconds), str(limits.file_size), "cuda" if gpu else "cpu"]
        argv += [str(limits.seconds), filters.for_kernels(gpu is not None), filters.asking_for_threads()]
        if gpu is not None:
            argv = [*gpu.prefix, *argv]
            confinement = confinement.with_devices(gpu.devices, gpu.readable)
        try:
            self._process = process.start(
                confinement.command(argv, readable=(*python_paths(), WORKER.parent)),
                environment={**ENVIRONMENT, **gpu.environment} if gpu else ENVIRONMENT,
                pass_fds=(theirs.fileno(), self.memory.descriptor),
            )
        except BaseException:
            _release(os.getpid(), None, self._channel, self._descriptors)
            raise
        finally:
            theirs.close()
        self._finalizer = weakref.finalize(self, _release, os.getpid(), self._process, self._channel, self._descriptors)

    def await_ready(self) -> None:
        """Waits until the process serves. Raises SandboxError with what it printed if it does not come to that."""
        exchange = self._receive(time.monotonic(), _GPU_START_SECONDS if self._gpu else _START_SECONDS)
        if exchange.reply == b"ready" and self._filtered and self._listener < 0:
            self.end()
            raise SandboxError(
                "the process for kernels could not filter its system calls (seccomp), although this system can; "
                "see whether a container's profile forbids it"
            )
        if exchange.reply != b"ready":
            said = self._kept.decode("utf-8", "replace").strip()
            why = exchange.reply.message if isinstance(exchange.reply, Finding) else "it sent something else"
            self.end()
            if self._gpu:
                raise SandboxError(f"the GPU could not be opened: {said or why}; see in nvidia-smi who else uses it")
            raise SandboxError(
                f"the process for kernels did not start: {said or why}; "
                "check that the interpreter's files can be read, or report this as a defect"
            )

    def send_libraries(self, descriptors: Sequence[int]) -> None:
        """Hands over the open files of the runtime and the kernel (or of the one library that holds both)."""
        self._channel.sendmsg(
            [b"libraries"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())]
        )

    def exchange(self, message: bytes) -> Exchange:
        """Sends a message and waits for the reply, or for the end of the process, of its time, or of our patience."""
        self._printed = 0
        self._kept.clear()
        began = time.monotonic()
        try:
            self._channel.send(message)
        except OSError:
            return Exchange(self._death(), time.monotonic() - began)
        return self._receive(began, self._limits.seconds)

    def _receive(self, began: float, seconds: float) -> Exchange:
        output = self._process.stdout
        assert output is not None
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(output, select.POLLIN)
        if self._listener >= 0:
            poller.register(self._listener, select.POLLIN)
        while True:
            left = began + seconds - time.monotonic()
            ready = dict(poller.poll(max(0.0, left) * 1000))
            if output.fileno() in ready and not self._take_output():
                poller.unregister(output)
            if self._printed > self._limits.output_bytes:
                return Exchange(findings.flood(self._limits.output_bytes), time.monotonic() - began)
            if self._listener in ready and not self._answer_for_threads(ready[self._listener]):
                poller.unregister(self._listener)
            if self._channel.fileno() in ready:
                reply = self._take_reply()
                return Exchange(reply or self._death(), time.monotonic() - began)
            if left <= 0:
                return Exchange(findings.timeout(seconds), time.monotonic() - began)

    def _answer_for_threads(self, event: int) -> bool:
        """False once nobody is left who could ask."""
        if event & select.POLLIN:
            threads.answer(self._listener)
        return not event & (select.POLLHUP | select.POLLERR)

    def _take_reply(self) -> bytes | Finding:
        """One message. Descriptors are taken before a kernel was loaded, and never afterwards."""
        try:
            if self._ready:
                reply, _, flags, _ = self._channel.recvmsg(_MESSAGE_BYTES)
            else:
                reply, descriptors, flags, _ = socket.recv_fds(self._channel, _MESSAGE_BYTES, 1)
                self._listener = descriptors[0] if descriptors else -1
                self._descriptors += descriptors
                self._ready = True
        except OSError:
            return b""
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            return findings.protocol(f"its answer has more than {_MESSAGE_BYTES} bytes, or brings more than bytes")
        return reply

    def _take_output(self) -> bool:
        """Reads what was printed; False at its end. Of much output the last bytes are kept."""
        assert self._process.stdout is not None
        part = os.read(self._process.stdout.fileno(), 1 << 16)
        self._printed += len(part)
        self._kept = (self._kept + part)[-_KEPT_OUTPUT:]
        return bool(part)

    def _death(self) -> Finding:
        if not process.has_ended(self._process, _END_SECONDS):
            return findings.protocol("it closed its channel and went on")
        self._drain_output()
        process.end(self._process)
        return findings.death(
            process.status_of(self._process), self._kept.decode("utf-8", "replace"), self._limits.memory
        )

    def _drain_output(self) -> None:
        output = self._process.stdout
        assert output is not None
        while self._printed <= self._limits.output_bytes and select.select([output], [], [], 0)[0]:
            if not self._take_output():
                return

    def printed(self) -> str:
        """What it printed during the last exchange, so far as it was kept."""
        self._drain_output()
        return self._kept.decode("utf-8", "replace")

    def end(self) -> None:
        """Ends the process and frees everything; may be called again."""
        self.memory.unmap()
        self._finalizer()


def _release(
    owner: int, started: subprocess.Popen[bytes] | None, channel: socket.socket, descriptors: list[int]
) -> None:
    # A forked child of ours inherits this finalizer, but the process is not its own to end.
    if started is not None and owner == os.getpid():
        process.end(started)
    channel.close()
    while descriptors:
        os.close(descriptors.pop())
