"""One worker as the parent sees it: a fork of the server, in which a Python kernel is loaded."""

from __future__ import annotations

import os
import socket
import time
import weakref

from pytest_upskill.errors import SandboxError
from pytest_upskill.languages.python.server import Worker, WorkerServer
from pytest_upskill.records import Finding
from pytest_upskill.sandbox.message_process import Limits, MessageProcess, PrintedOutput

_START_SECONDS = 30.0


class KernelProcess(MessageProcess):
    """A worker that holds one kernel. Raises SandboxError if it cannot be started."""

    def __init__(self, server: WorkerServer, kernel: int, limits: Limits, *, filtered: bool) -> None:
        """``kernel`` is the open file that holds it; ``filtered`` says that system calls can be filtered here."""
        super().__init__(limits)
        output, written = os.pipe2(os.O_CLOEXEC)
        self._output = PrintedOutput(output, limits.output_bytes)
        self._descriptors.append(output)
        try:
            self._worker = server.start((self._theirs.fileno(), self.memory.descriptor, written, kernel), limits)
        except BaseException:
            _release(None, self._channel, self._descriptors)
            raise
        finally:
            self._theirs.close()
            os.close(written)
        self._finalizer = weakref.finalize(self, _release, self._worker, self._channel, self._descriptors)
        self._await_ready(filtered)

    def _await_ready(self, filtered: bool) -> None:
        reply = self._receive(time.monotonic(), _START_SECONDS).reply
        if reply == b"ready" or (reply == b"ready, unfiltered" and not filtered):
            return
        said = self._output.text.strip()
        self.end()
        if reply == b"ready, unfiltered":
            said = "it could not filter its system calls (seccomp), although this system can"
        why = reply.message if isinstance(reply, Finding) else "it sent something else"
        raise SandboxError(f"the process for a Python kernel did not start: {said or why}")

    def _status(self, seconds: float) -> int | None:
        status = self._worker.status(seconds)
        if status is not None:
            self._output.drain()
        return status


def _release(worker: Worker | None, channel: socket.socket, descriptors: list[int]) -> None:
    channel.close()
    while descriptors:
        os.close(descriptors.pop())
    if worker is not None:
        worker.end()
