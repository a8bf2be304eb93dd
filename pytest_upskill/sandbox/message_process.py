"""The parent's side of confined processes: of those that answer messages and share memory with the parent, and of those
that are connected by a stream of bytes. Both kinds have limits on time and on what they print.
"""

from __future__ import annotations

import os
import select
import socket
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pytest_upskill.records import Finding
from pytest_upskill.sandbox import findings, process
from pytest_upskill.sandbox.confinement import Confinement, Resources
from pytest_upskill.sandbox.findings import clean
from pytest_upskill.sandbox.shared_memory import SharedMemory

MESSAGE_BYTES = 1 << 16
_END_SECONDS = 1.0
_KEPT_OUTPUT = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one kernel: seconds for a call, processor seconds for all calls of a process, and bytes.

    ``scratch_memory`` limits device memory besides the tensors (0: no limit). On the cpu device, ``memory`` includes
    it.
    """

    seconds: float = 10.0
    cpu_seconds: int = 600
    memory: int = 4 << 30
    output_bytes: int = 1 << 20
    file_size: int = 16 << 20
    scratch_memory: int = 0


DEFAULT_LIMITS = Limits()


class PrintedOutput:
    """The output of a process. Its bytes are counted, and the last bytes are kept."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.kept = b""
        self._limit = limit
        self._count = 0

    def restart(self) -> None:
        """Start counting from zero again."""
        self._count = 0

    @property
    def exceeds_limit(self) -> bool:
        return self._count > self._limit

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")

    def take(self) -> bool:
        """Read what was printed. Returns False at the end of the stream."""
        part = os.read(self.descriptor, 1 << 16)
        self._count += len(part)
        self.kept = (self.kept + part)[-_KEPT_OUTPUT:]
        return bool(part)

    def drain(self) -> None:
        """Read all that has been printed so far."""
        while not self.exceeds_limit and select.select([self.descriptor], [], [], 0)[0] and self.take():
            pass


class MessageProcess(ABC):
    """A process that is connected by a socket which keeps message bounds. Subclasses call ``_begun`` to start it."""

    _output: PrintedOutput

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.memory = SharedMemory(limits.memory)
        self._descriptors = [self.memory.descriptor]
        self._listener = -1

    def _begun(self, begin: Callable[[], T], ending: Callable[[T], Callable[[], object]]) -> T:
        """Start a process with ``begin``, and return what ``begin`` returned. ``ending`` makes the function that ends
        the process; it is called when this object is deleted, or by ``end``.
        """
        try:
            started = begin()
        except BaseException:
            process.release(None, self._channel, self._descriptors)
            raise
        finally:
            self._theirs.close()
        self._finalizer = weakref.finalize(self, process.release, ending(started), self._channel, self._descriptors)
        return started

    @abstractmethod
    def _status(self, seconds: float) -> int | None:
        """Wait up to ``seconds`` for the process to end. Returns the exit status as in a shell; None if the process
        does not end.
        """

    def _answer_listener(self) -> None:  # noqa: B027 - only some processes have a listener
        """Answer one request that is read from ``_listener``."""

    def exchange(self, message: bytes) -> tuple[bytes | Finding, float]:
        """Send a message. Returns the reply, or a finding that says why there is none; and the seconds it took."""
        self._output.restart()
        self._output.kept = b""
        began = time.monotonic()
        try:
            self._channel.send(message)
        except OSError:
            return self._death(), time.monotonic() - began
        return self._receive(self._limits.seconds), time.monotonic() - began

    def _receive(self, seconds: float) -> bytes | Finding:
        began = time.monotonic()
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
                return findings.flood(self._limits.output_bytes)
            asked = ready.get(self._listener, 0)
            if asked & select.POLLIN:
                self._answer_listener()
            if asked & (select.POLLHUP | select.POLLERR):
                poller.unregister(self._listener)
            if self._channel.fileno() in ready:
                return self._take_reply() or self._death()
            if left <= 0:
                return findings.timeout(seconds)

    def _take_reply(self) -> bytes | Finding:
        try:
            reply, _, flags, _ = self._channel.recvmsg(MESSAGE_BYTES)
        except OSError:
            return b""
        return _BROKEN if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else reply

    def _death(self) -> Finding:
        if (status := self._status(_END_SECONDS)) is None:
            return findings.protocol("it closed its channel and continued to run")
        return findings.death(status, self._output.text, self._limits.memory)

    def printed(self) -> str:
        """The last part of what the process printed during the last exchange."""
        self._output.drain()
        return self._output.text

    def end(self) -> None:
        """End the process and free all resources. It may be called again."""
        self.memory.unmap()
        self._finalizer()


_BROKEN = findings.protocol(f"its answer has more than {MESSAGE_BYTES} bytes, or holds descriptors")


_CHUNK = 1 << 20

Cause = Literal["ended", "timeout", "flood"]


class Unanswered(Exception):
    """Raised if the process did not answer because it ended, took too long, or printed too much. ``detail`` says how it
    ended.
    """

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class ByteStreamProcess(process.ConnectedProcess):
    """A process that is connected by a stream of bytes. It is started without waiting for it. ``argv`` makes its
    command line from the descriptor of its end of the stream. The process shares no memory with the parent, so data
    that was checked cannot change afterwards.
    """

    def __init__(
        self,
        argv: Callable[[int], Sequence[str]],
        confinement: Confinement,
        *,
        readable: Sequence[Path],
        environment: Mapping[str, str],
        resources: Resources,
        output_bytes: int,
    ) -> None:
        """``output_bytes`` is the most that the process may print between two calls of ``begin``."""
        super().__init__(
            socket.SOCK_STREAM,
            lambda descriptor: confinement.command(argv(descriptor), readable=readable, resources=resources),
            environment,
        )
        self._channel.setblocking(False)
        self._output = PrintedOutput(self._printed, output_bytes)

    def begin(self, seconds: float) -> float:
        """Start to count the time and the output of one exchange. Returns the deadline."""
        self._output.restart()
        return time.monotonic() + seconds

    def has_unread(self) -> bool:
        """Whether there are unread bytes. False if the process has closed the stream."""
        try:
            return bool(self._channel.recv(1, socket.MSG_PEEK))
        except (BlockingIOError, ConnectionError):
            return False

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of ``data``. Raises Unanswered."""
        left = memoryview(data)
        while left:
            self._wait(select.POLLOUT, deadline)
            try:
                left = left[self._channel.send(left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._ended() from None

    def receive(self, size: int, deadline: float) -> bytearray:
        """Receive exactly ``size`` bytes. Raises Unanswered."""
        data = bytearray(size)
        left = memoryview(data)
        while left:
            self._wait(select.POLLIN, deadline)
            try:
                count = self._channel.recv_into(left, min(len(left), _CHUNK))
            except BlockingIOError:
                continue
            except OSError:
                count = 0
            if count == 0:
                raise self._ended()
            left = left[count:]
        return data

    def _wait(self, event: int, deadline: float) -> None:
        """Wait until the stream is ready. Meanwhile, read what the process prints, because it would block if the pipe
        were full.
        """
        poller, output = select.poll(), self._output
        poller.register(self._channel, event)
        poller.register(output.descriptor, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            ready = dict(poller.poll(max(0.0, left) * 1000))
            if output.descriptor in ready and not output.take():
                poller.unregister(output.descriptor)
            if output.exceeds_limit:
                raise Unanswered("flood")
            # Checked before the stream, so that a process that sends without pause is stopped, too.
            if left <= 0:
                raise Unanswered("timeout")
            if self._channel.fileno() in ready:
                return

    def _ended(self) -> Unanswered:
        if not process.has_ended(self._process, _END_SECONDS):
            return Unanswered("ended", "it closed its stream and continued to run")
        self._output.drain()
        process.end(self._process)
        return Unanswered("ended", describe_status(process.status_of(self._process)))

    def printed(self) -> str:
        """The last part of what the process printed, in one line."""
        return clean(" ".join(self._output.text.split()))


def describe_status(status: int) -> str:
    """Say how a process ended, from its exit status as a shell sees it."""
    number = status - 128
    if number <= 0 or number >= 65:
        return f"exit status {status}"
    special = {9: "killed, as by the system when it is short of memory", 24: "out of processor time"}
    return f"signal {number}" + (f": {special[number]}" if number in special else "")
