"""The parent's side of a confined process that answers messages: its channel, its shared memory, and what it prints."""

from __future__ import annotations

import os
import select
import socket
import time
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pytest_upskill.records import Finding
from pytest_upskill.sandbox import findings
from pytest_upskill.sandbox.shared_memory import SharedMemory

MESSAGE_BYTES = 1 << 16
_END_SECONDS = 1.0
_KEPT_OUTPUT = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """What one kernel may use: seconds for a call, processor seconds for all calls of a process, and bytes.

    ``scratch_memory`` is device memory besides the tensors (0: any amount). On the cpu device ``memory`` bounds it.
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
    """The result of one message: the process's reply, or the finding that explains why there is none."""

    reply: bytes | Finding
    seconds: float


class PrintedOutput:
    """What a process prints: its bytes are counted, and the last of them kept."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.kept = b""
        self._limit = limit
        self._count = 0

    def restart(self) -> None:
        """Counts from zero again."""
        self._count = 0

    @property
    def exceeds_limit(self) -> bool:
        return self._count > self._limit

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")

    def take(self) -> bool:
        """Reads what was printed; False at its end."""
        part = os.read(self.descriptor, 1 << 16)
        self._count += len(part)
        self.kept = (self.kept + part)[-_KEPT_OUTPUT:]
        return bool(part)

    def drain(self) -> None:
        """Reads all that was printed so far."""
        while not self.exceeds_limit and select.select([self.descriptor], [], [], 0)[0] and self.take():
            pass


class MessageProcess(ABC):
    """A process at the other end of a socket that keeps the bounds of messages (SOCK_SEQPACKET).

    Subclasses start it, and set ``_output`` and ``_finalizer``, which ends it and closes ``_channel`` and
    ``_descriptors``.
    """

    _output: PrintedOutput
    _finalizer: weakref.finalize[Any, Any]

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.memory = SharedMemory(limits.memory)
        self._descriptors = [self.memory.descriptor]
        self._listener = -1

    @abstractmethod
    def _status(self, seconds: float) -> int | None:
        """The exit status as in a shell, waiting up to ``seconds``; None if the process does not end."""

    def _answer_listener(self) -> None:  # noqa: B027 - only some processes have a listener
        """Answers one question that is read from ``_listener``."""

    def exchange(self, message: bytes) -> Exchange:
        """Sends a message; waits for the reply, the end of the process, or a limit."""
        self._output.restart()
        self._output.kept = b""
        began = time.monotonic()
        try:
            self._channel.send(message)
        except OSError:
            return Exchange(self._death(), time.monotonic() - began)
        return self._receive(began, self._limits.seconds)

    def _receive(self, began: float, seconds: float) -> Exchange:
        poller, output = select.poll(), self._output
        for descriptor in (self._channel.fileno(), output.descriptor, self._listener):
            if descriptor >= 0:
                poller.register(descriptor, select.POLLIN)
        while True:
            left = began + seconds - time.monotonic()
            ready = dict(poller.poll(max(0.0, left) * 1000))
            if output.descriptor in ready and not output.take():
                poller.unregister(output.descriptor)
            if output.exceeds_limit:
                return Exchange(findings.flood(self._limits.output_bytes), time.monotonic() - began)
            asked = ready.get(self._listener, 0)
            if asked & select.POLLIN:
                self._answer_listener()
            if asked & (select.POLLHUP | select.POLLERR):
                poller.unregister(self._listener)
            if self._channel.fileno() in ready:
                reply = self._take_reply()
                return Exchange(reply or self._death(), time.monotonic() - began)
            if left <= 0:
                return Exchange(findings.timeout(seconds), time.monotonic() - began)

    def _take_reply(self) -> bytes | Finding:
        try:
            reply, _, flags, _ = self._channel.recvmsg(MESSAGE_BYTES)
        except OSError:
            return b""
        return _BROKEN if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else reply

    def _death(self) -> Finding:
        status = self._status(_END_SECONDS)
        if status is None:
            return findings.protocol("it closed its channel and continued to run")
        return findings.death(status, self._output.text, self._limits.memory)

    def printed(self) -> str:
        """The last of what it printed during the last exchange."""
        self._output.drain()
        return self._output.text

    def end(self) -> None:
        """Ends the process and frees everything; may be called again."""
        self.memory.unmap()
        self._finalizer()


_BROKEN = findings.protocol(f"its answer has more than {MESSAGE_BYTES} bytes, or holds descriptors")
