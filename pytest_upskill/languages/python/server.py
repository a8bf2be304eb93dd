"""The parent's side of the confined process that imports torch once and forks workers, and of these workers.

Each of our processes has one server for each confinement. A server starts with its first worker, starts again if it has
ended, and ends with our process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_upskill.build.cache import Cache
from pytest_upskill.errors import SandboxError
from pytest_upskill.records import Finding
from pytest_upskill.sandbox import process, seccomp
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources, python, python_paths
from pytest_upskill.sandbox.message_process import Limits, MessageProcess, PrintedOutput

WORKER = Path(__file__).resolve().with_name("worker.py")
_SANDBOX = Path(seccomp.__file__).resolve().parent
_START_SECONDS = 300.0
"""The limit on the start of a server. Importing torch takes 3 s, but up to fifty times that on a busy machine with a
cold disk.
"""
_ANSWER_SECONDS = 10.0
_WORKER_START_SECONDS = 30.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_MESSAGE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Program:
    """A program that serves workers, such as ``worker.py``, the folders from which it imports, and further folders that
    it reads.

    If ``scratch`` is True, the program can write to a folder of its own, whose path is in its environment.
    """

    script: Path
    folders: Callable[[], tuple[Path, ...]]
    readable: tuple[Path, ...] = ()
    scratch: bool = False


_RESOURCES = Resources(cpu_seconds=1_000_000, memory=1 << 42, file_size=1 << 30, open_files=1024, processes=4096)
"""The limits of a server with a folder of its own. Its workers have tighter limits."""


class WorkerServer:
    """Starts workers as forks of a confined process. Thread-safe. Raises SandboxError if it cannot start a worker."""

    def __init__(self, confinement: Confinement, program: Program | None = None) -> None:
        self._confinement = confinement
        self._program = program or Program(WORKER, torch_folders)
        self._lock = threading.RLock()
        self._running: _Running | None = None

    def start(self, files: Sequence[int], limits: Limits) -> Worker:
        """Start a worker. It gets the open files: its channel, its shared memory, its output pipe, and its kernel."""
        plain = {"memory": limits.memory, "cpu_seconds": limits.cpu_seconds, "file_size": limits.file_size}
        message = json.dumps({**plain, "seconds": limits.seconds}).encode()
        with self._lock:
            try:
                return self._usable().start(files, message)
            except OSError:  # the server has just ended, so one more attempt follows
                self.close()
            try:
                return self._usable().start(files, message)
            except OSError as error:
                self.close()
                raise SandboxError(f"the process for Python kernels does not answer: {error}") from error

    def _usable(self) -> _Running:
        if self._running is None or not self._running.is_ours():
            self._running = _Running(self._confinement, self._program, self._lock)
        return self._running

    def clear(self, folder: str) -> None:
        """Remove the folder of a worker that has ended. The folder lies in the server's own folder."""
        with self._lock:
            if self._running is not None and self._running.is_ours():
                self._running.clear(folder)

    def close(self) -> None:
        """End the server and all its workers."""
        with self._lock:
            if self._running is not None:
                self._running.end()
            self._running = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A fork of the server."""

    status: Callable[[float], int | None]
    """Waits up to the given seconds. Returns the exit status as a shell sees it, or None if it is running."""
    end: Callable[[], None]
    """Kills the worker and waits for its end."""


class _Running(process.ConnectedProcess):
    """A started server process."""

    def __init__(self, confinement: Confinement, program: Program, lock: threading.RLock) -> None:
        self._lock = lock
        self._owner = os.getpid()
        self._ended: dict[bytes, int] = {}
        self._count = 0
        self._scratch = contextlib.ExitStack()
        scratch = self._scratch.enter_context(_own_folder()) if program.scratch else None
        self._remove = weakref.finalize(self, _closing, self._scratch, self._owner)
        folders = program.folders()
        readable = (*python_paths(), program.script.parent, *program.readable, _SANDBOX, *folders)

        def argv(descriptor: int) -> list[str]:
            words = [python(), "-I", "-S", str(program.script), str(descriptor), str(_SANDBOX)]
            words += [filters.without_threads(), filters.for_kernels(), *map(str, folders)]
            resources = _RESOURCES if scratch else None
            return confinement.command(words, scratch=scratch, readable=readable, resources=resources)

        more = {"UPSKILL_SCRATCH": str(scratch)} if scratch else {}
        super().__init__(socket.SOCK_SEQPACKET, argv, {**ENVIRONMENT, **_ONE_THREAD, **more})
        self._await_ready()

    def clear(self, folder: str) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(b"clear" + folder.encode())

    def end(self) -> None:
        super().end()
        self._remove()

    def is_ours(self) -> bool:
        """Whether the server was started by this process (not by a process that this one was forked from), and is
        running.
        """
        return self._owner == os.getpid() and self._finalizer.alive and not process.has_ended(self._process, 0)

    def _await_ready(self) -> None:
        if select.select([self._channel], [], [], _START_SECONDS)[0] and self._channel.recv(16) == b"ready":
            return
        self._channel.close()
        process.has_ended(self._process, 1.0)
        said = ""
        if select.select([self._printed], [], [], 0)[0]:
            said = os.read(self._printed, 4096).decode("utf-8", "replace").strip()
        self.end()
        raise SandboxError(
            f"the process for Python kernels did not start: {said or 'it does not answer'}; check that torch can be "
            "imported and that its folder can be read, or report this as a defect"
        )

    def start(self, files: Sequence[int], limits: bytes) -> Worker:
        """Start a worker. Raises OSError if the server has ended."""
        with self._lock:
            self._count += 1
            number = self._count.to_bytes(8, "little")
            socket.send_fds(self._channel, [b"start" + number + limits], list(files))
            return Worker(partial(self._status, number), partial(self._kill, number))

    def _status(self, number: bytes, seconds: float) -> int | None:
        """See ``Worker.status``. If the server has ended, its workers have ended, too."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while number not in self._ended:
                left = max(0.0, deadline - time.monotonic())
                message = b""
                if self._finalizer.alive:
                    if not select.select([self._channel], [], [], left)[0]:
                        return None
                    with contextlib.suppress(OSError):
                        message = self._channel.recv(_MESSAGE_BYTES)
                if not message:
                    self.end()
                    return 128 + signal.SIGKILL
                self._ended[message[:8]] = int.from_bytes(message[8:12], "little")
            return self._ended[number]

    def _kill(self, number: bytes) -> None:
        with self._lock:
            if self._owner != os.getpid() or not self._finalizer.alive:
                return
            try:
                if number not in self._ended:
                    self._channel.send(b"end  " + number)
            except OSError:
                self.end()
                return
            if self._status(number, _ANSWER_SECONDS) is None:
                self.end()
            self._ended.pop(number, None)


def _closing(scratch: contextlib.ExitStack, owner: int) -> None:
    """Remove a server's folder, but not in a fork of the process that owns it."""
    if owner == os.getpid():
        scratch.close()


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder for a server. At the end, the folders in it may lack read permission, so it is restored before they are
    removed.
    """
    with Cache().scratch() as folder:
        try:
            yield folder
        finally:
            for inner in folder.iterdir():
                inner.chmod(0o700)


def torch_folders() -> tuple[Path, ...]:
    """The folders of torch and its dependencies, found without an import. Raises SandboxError without torch."""
    found: list[Path] = []
    for name in ("torch", "typing_extensions", "sympy"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            file = Path(spec.origin).resolve()
            found.append(file.parents[1] if file.name == "__init__.py" else file.parent)
        elif name == "torch":
            raise SandboxError("torch cannot be found; install it where pytest runs")
    return tuple(dict.fromkeys(found))


class KernelProcess(MessageProcess):
    """A worker that runs one kernel. Raises SandboxError if it cannot be started."""

    def __init__(self, server: WorkerServer, kernel: int, limits: Limits, *, filtered: bool) -> None:
        """``kernel`` is the descriptor of the kernel's file. ``filtered``: system calls can be filtered here."""
        super().__init__(limits)
        output, written = os.pipe2(os.O_CLOEXEC)
        self._output = PrintedOutput(output, limits.output_bytes)
        self._descriptors.append(output)
        files = (self._theirs.fileno(), self.memory.descriptor, written, kernel)
        try:
            self._worker = self._begun(partial(server.start, files, limits), lambda worker: worker.end)
        finally:
            os.close(written)
        self._await_ready(filtered)

    def _await_ready(self, filtered: bool) -> None:
        reply = self._receive(_WORKER_START_SECONDS)
        if reply == b"ready" or (reply == b"ready, unfiltered" and not filtered):
            return
        said = self._output.text.strip()
        self.end()
        if reply == b"ready, unfiltered":
            said = "it could not filter its system calls (seccomp), although this system can"
        why = reply.message if isinstance(reply, Finding) else "it sent something else"
        raise SandboxError(f"the process for a Python kernel did not start: {said or why}")

    def _status(self, seconds: float) -> int | None:
        if (status := self._worker.status(seconds)) is not None:
            self._output.drain()
        return status
