"""One started worker: a process in which a kernel's library is loaded."""

from __future__ import annotations

import array
import os
import socket
import subprocess
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from pytest_upskill.errors import SandboxError
from pytest_upskill.records import Finding
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox import thread_requests as threads
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, python, python_paths
from pytest_upskill.sandbox.gpu_access import GpuAccess
from pytest_upskill.sandbox.message_process import DEFAULT_LIMITS, MESSAGE_BYTES, Limits, MessageProcess, PrintedOutput

__all__ = ["DEFAULT_LIMITS", "Limits", "WorkerProcess"]

WORKER = Path(__file__).resolve().with_name("worker.py")

_START_SECONDS = 30.0
_GPU_START_SECONDS = 90.0


class WorkerProcess(MessageProcess):
    """A worker, started without waiting for it. Raises SandboxError if it cannot be started."""

    def __init__(self, confinement: Confinement, limits: Limits = DEFAULT_LIMITS, gpu: GpuAccess | None = None) -> None:
        """With ``gpu``, the process opens that GPU before it says that it is ready."""
        super().__init__(limits)
        self._gpu = gpu
        self._ready = False
        self._filtered = confinement.filtered
        passed = (self._theirs.fileno(), self.memory.descriptor)
        words = [*passed, limits.memory, limits.cpu_seconds, limits.file_size, "cuda" if gpu else "cpu", limits.seconds]
        rules = [filters.for_kernels(gpu is not None), filters.asking_for_threads()]
        argv = [python(), "-I", "-S", str(WORKER), *map(str, words), *rules]
        if gpu is not None:
            argv = [*gpu.prefix, *argv]
            confinement = confinement.with_devices(gpu.devices, gpu.readable)
        try:
            self._process = process.start(
                confinement.command(argv, readable=(*python_paths(), WORKER.parent)),
                environment={**ENVIRONMENT, **gpu.environment} if gpu else ENVIRONMENT,
                pass_fds=passed,
            )
        except BaseException:
            _release(os.getpid(), None, self._channel, self._descriptors)
            raise
        finally:
            self._theirs.close()
        assert self._process.stdout is not None
        self._output = PrintedOutput(self._process.stdout.fileno(), limits.output_bytes)
        self._finalizer = weakref.finalize(self, _release, os.getpid(), self._process, self._channel, self._descriptors)

    def await_ready(self) -> None:
        """Waits until the process serves. Raises SandboxError with what it printed if it does not start."""
        exchange = self._receive(time.monotonic(), _GPU_START_SECONDS if self._gpu else _START_SECONDS)
        if exchange.reply == b"ready" and self._filtered and self._listener < 0:
            self.end()
            raise SandboxError(
                "the process for kernels could not filter its system calls (seccomp), although this system can; "
                "see whether a container's profile forbids it"
            )
        if exchange.reply != b"ready":
            said = self._output.text.strip()
            why = exchange.reply.message if isinstance(exchange.reply, Finding) else "it sent something else"
            self.end()
            if self._gpu:
                raise SandboxError(f"the GPU could not be opened: {said or why}; nvidia-smi lists who uses it")
            raise SandboxError(
                f"the process for kernels did not start: {said or why}; "
                "check that the interpreter's files can be read, or report this as a defect"
            )

    def send_libraries(self, descriptors: Sequence[int]) -> None:
        """Hands over the open files of the runtime and the kernel (or of the one library that holds both)."""
        self._channel.sendmsg(
            [b"libraries"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())]
        )

    def _answer_listener(self) -> None:
        threads.answer(self._listener)

    def _take_reply(self) -> bytes | Finding:
        """One message. The first one, before a kernel is loaded, holds the listener; no other may hold descriptors."""
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


def _release(
    owner: int, started: subprocess.Popen[bytes] | None, channel: socket.socket, descriptors: list[int]
) -> None:
    # A forked child of ours inherits this finalizer, but the process is not its own to end.
    if started is not None and owner == os.getpid():
        process.end(started)
    channel.close()
    while descriptors:
        os.close(descriptors.pop())
