"""One worker as the parent sees it: its channel, its shared memory, what it prints, and its end. Knows no tensors."""

from __future__ import annotations

import os
import select
import socket
import time
import weakref

from pytest_upskill.errors import SandboxError
from pytest_upskill.languages.python.server import Worker, WorkerServer
from pytest_upskill.records import Finding
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.shared_memory import SharedMemory
from pytest_upskill.sandbox.worker_process import Exchange, Limits

_START_SECONDS = 30.0
_END_SECONDS = 1.0
_MESSAGE_BYTES = 1 << 16
_KEPT_OUTPUT = 4096


class KernelProcess:
    """A worker that holds one kernel. Raises SandboxError where it cannot be started."""

    def __init__(self, server: WorkerServer, kernel: int, limits: Limits, *, filtered: bool) -> None:
        """``kernel`` is the open file that holds it; ``filtered`` says that system calls can be filtered here."""
        self._limits = limits
        self._kept = bytearray()
        self._printed = 0
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output, written = os.pipe2(os.O_CLOEXEC)
        self.memory = SharedMemory(limits.memory)
        own = [self._output, self.memory.descriptor]
        try:
            self._worker = server.start((theirs.fileno(), self.memory.descriptor, written, kernel), limits)
        except BaseException:
            _release(None, self._channel, own)
            raise
        finally:
            theirs.close()
            os.close(written)
        self._finalizer = weakref.finalize(self, _release, self._worker, self._channel, own)
        self._await_ready(filtered)

    def _await_ready(self, filtered: bool) -> None:
        reply = self._receive(time.monotonic(), _START_SECONDS).reply
        if reply == b"ready" or (reply == b"ready, unfiltered" and not filtered):
            return
        said = self._kept.decode("utf-8", "replace").strip()
        self.end()
        if reply == b"ready, unfiltered":
            said = "it could not filter its system calls (seccomp), although this system can"
        why = reply.message if isinstance(reply, Finding) else "it sent something else"
        raise SandboxError(f"the process for a Python kernel did not start: {said or why}")

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
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._output, select.POLLIN)
        while True:
            left = began + seconds - time.monotonic()
            ready = dict(poller.poll(max(0.0, left) * 1000))
            if self._output in ready and not self._take_output():
                poller.unregister(self._output)
            if self._printed > self._limits.output_bytes:
                return Exchange(findings.flood(self._limits.output_bytes), time.monotonic() - began)
            if self._channel.fileno() in ready:
                reply = self._take_reply()
                return Exchange(reply or self._death(), time.monotonic() - began)
            if left <= 0:
                return Exchange(findings.timeout(seconds), time.monotonic() - began)

    def _take_reply(self) -> bytes:
        try:
            reply, _, flags, _ = self._channel.recvmsg(_MESSAGE_BYTES)
        except OSError:
            return b""
        return b"" if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else reply

    def _take_output(self) -> bool:
        """Reads what was printed; False at its end. Of much output the last bytes are kept."""
        part = os.read(self._output, 1 << 16)
        self._printed += len(part)
        self._kept = (self._kept + part)[-_KEPT_OUTPUT:]
        return bool(part)

    def _death(self) -> Finding:
        status = self._worker.status(_END_SECONDS)
        if status is None:
            return findings.protocol("it closed its channel and went on, or its answer was too long")
        while self._printed <= self._limits.output_bytes and select.select([self._output], [], [], 0)[0]:
            if not self._take_output():
                break
        return findings.death(status, self._kept.decode("utf-8", "replace"), self._limits.memory)

    def end(self) -> None:
        """Ends the process and frees everything; may be called again."""
        self.memory.unmap()
        self._finalizer()


def _release(worker: Worker | None, channel: socket.socket, descriptors: list[int]) -> None:
    channel.close()
    while descriptors:
        os.close(descriptors.pop())
    if worker is not None:
        worker.end()
