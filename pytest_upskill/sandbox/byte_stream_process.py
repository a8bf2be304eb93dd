"""One confined process at the other end of a stream of bytes, with limits on time and on what it prints.

In contrast to ``message_process`` it shares no memory: its answers are copied through a socket, so that data that was
checked cannot change afterwards.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import Confinement, Resources
from pytest_upskill.sandbox.findings import clean
from pytest_upskill.sandbox.message_process import PrintedOutput

_END_SECONDS = 1.0
_CHUNK = 1 << 20

Cause = Literal["ended", "timeout", "flood"]


class Unanswered(Exception):
    """The process did not answer: it ended, took too long, or printed too much. ``detail`` says how it ended."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class ByteStreamProcess:
    """A process that was started without waiting for it. Raises SandboxError if it cannot be started.

    ``argv`` makes its command line from the number of the descriptor that is its end of the stream.
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
        """``output_bytes`` may be printed between two calls of ``begin``."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._channel.setblocking(False)
        try:
            self._process = process.start(
                confinement.command(argv(theirs.fileno()), readable=readable, resources=resources),
                environment=environment,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        assert self._process.stdout is not None
        self._output = PrintedOutput(self._process.stdout.fileno(), output_bytes)
        self._finalizer = weakref.finalize(self, _release, os.getpid(), self._process, self._channel)

    def begin(self, seconds: float) -> float:
        """Starts to count time and output of one exchange; returns its deadline."""
        self._output.restart()
        return time.monotonic() + seconds

    def has_unread(self) -> bool:
        """Whether there are bytes that were not read. False if the process has closed the stream."""
        try:
            return bool(self._channel.recv(1, socket.MSG_PEEK))
        except (BlockingIOError, ConnectionError):
            return False

    def send(self, data: bytes, deadline: float) -> None:
        """Sends all of ``data``. Raises Unanswered."""
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
        """Exactly ``size`` bytes. Raises Unanswered."""
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
        """Waits until the stream is ready. Meanwhile reads what is printed, or the process could block on it."""
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
            # Before the stream is looked at: a process that sends without pause is stopped, too.
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
        """The last of what it printed, in one line."""
        return clean(" ".join(self._output.text.split()))

    def end(self) -> None:
        """Ends the process and frees everything; may be called again."""
        self._finalizer()


def describe_status(status: int) -> str:
    """How a process ended, from its exit status as a shell sees it."""
    number = status - 128
    if number <= 0 or number >= 65:
        return f"exit status {status}"
    special = {9: "killed, as by the system when it is short of memory", 24: "out of processor time"}
    return f"signal {number}" + (f": {special[number]}" if number in special else "")


def _release(owner: int, started: subprocess.Popen[bytes], channel: socket.socket) -> None:
    # A forked child of ours inherits this finalizer, but the process is not its own to end.
    if owner == os.getpid():
        process.end(started)
    channel.close()
