"""Starts confined processes, and ends them reliably: no zombie, no leaked descriptor, no orphan.

All processes are started from one thread that lives as long as this process. Other threads may end earlier, and
PR_SET_PDEATHSIG would kill a process when the thread that started it ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import selectors
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pytest_upskill.errors import SandboxError

_REAP_SECONDS = 10.0
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Ran:
    """How a process ended: its exit status as in a shell (128 + N for signal N), and its output."""

    status: int
    output: str
    timed_out: bool = False
    flooded: bool = False


_lock = threading.Lock()
_running: dict[int, None] = {}
_ending = threading.Event()
_stop = threading.local()


def stop_on(descriptor: int) -> None:
    """From now on, if the descriptor becomes readable, ``run`` in this thread ends its process and raises
    CancelledError.
    """
    _stop.descriptor = descriptor


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str],
    seconds: float,
    output_bytes: int = 1 << 20,
    pass_fds: Sequence[int] = (),
) -> Ran:
    """Run a command until it ends. If it exceeds the limit on time (s) or output (bytes), its whole process group is
    killed.
    """
    process = start(argv, cwd=cwd, environment=environment, pass_fds=pass_fds)
    assert process.stdout is not None
    try:
        text, timed_out, flooded = _drain(process.stdout.fileno(), time.monotonic() + seconds, output_bytes)
        if not (timed_out or flooded):
            timed_out = not has_ended(process, seconds)
    finally:
        end(process)
    return Ran(status_of(process), text.decode("utf-8", "replace"), timed_out, flooded)


def start(
    argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a command in its own session; stdout and stderr share one pipe. Raises SandboxError."""

    def spawn() -> subprocess.Popen[bytes]:
        if _ending.is_set():
            raise CancelledError
        started = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            bufsize=0,
        )
        _running[started.pid] = None
        return started

    with _lock:  # two threads must not make one executor each
        future = _spawner(os.getpid()).submit(spawn)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.add_done_callback(_discard)
        raise
    except OSError as error:
        raise SandboxError(
            f"cannot start {argv[0]!r}: {error.strerror}; is it installed, and may it be run?"
        ) from error


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group, wait for it, and close its pipe. It may be called again.

    Raises SandboxError if the process does not end. This can happen because a GPU's driver can block it forever.
    """
    if process.returncode is None:
        # The group first, because the number of its leader is not reused before ``wait``.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            raise SandboxError(
                f"process {process.pid} was killed and does not end within {_REAP_SECONDS:g} s; if it used a GPU, look "
                "at nvidia-smi and at the system's log for an Xid error, and restart the machine"
            ) from None
    _running.pop(process.pid, None)
    if process.stdout is not None:
        process.stdout.close()


def end_all() -> None:
    """Kill all running processes, so that the threads that wait for them continue. No process is started afterwards.

    Signal handlers that end this process call this.
    """
    _ending.set()
    for group in list(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process ends within ``seconds``. The process is not reaped."""
    if process.returncode is not None:
        return True
    descriptor = os.pidfd_open(process.pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def status_of(process: subprocess.Popen[bytes]) -> int:
    """The exit status as in a shell. bubblewrap reports its child's status in the same form."""
    code = process.returncode
    return 128 - code if code < 0 else code


def _drain(descriptor: int, deadline: float, limit: int) -> tuple[bytes, bool, bool]:
    """Read to the end. Returns the output, whether time ran out, and whether there was more than ``limit``."""
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        stop = getattr(_stop, "descriptor", None)
        if stop is not None:
            selector.register(stop, selectors.EVENT_READ)
        while True:
            ready = [key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))]
            if stop in ready:
                raise CancelledError
            if not ready:
                return b"".join(parts), True, False
            part = os.read(descriptor, _CHUNK)
            if not part:
                return b"".join(parts), False, False
            parts.append(part)
            size += len(part)
            if size > limit:
                return b"".join(parts)[:limit], False, True


class ConnectedProcess:
    """A process that is connected by a socket. It is started without waiting for it, and ends when this object is
    deleted.

    ``argv`` makes its command line from the number of the descriptor of its end of the socket. Raises SandboxError.
    """

    def __init__(
        self, kind: socket.SocketKind, argv: Callable[[int], Sequence[str]], environment: Mapping[str, str]
    ) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, kind)
        try:
            descriptor = theirs.fileno()
            self._process = start(argv(descriptor), environment=environment, pass_fds=(descriptor,))
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        assert self._process.stdout is not None
        self._printed = self._process.stdout.fileno()
        self._finalizer = weakref.finalize(self, release, ending(self._process), self._channel, [])

    def end(self) -> None:
        """End the process and free all resources. It may be called again."""
        self._finalizer()


def ending(started: subprocess.Popen[bytes]) -> Callable[[], None]:
    """A function that ends a process. In a fork of this process, which inherits the finalizers, the function does
    nothing, because the process does not belong to the fork.
    """
    owner = os.getpid()
    return lambda: end(started) if owner == os.getpid() else None


def release(end_it: Callable[[], object] | None, channel: socket.socket, descriptors: list[int]) -> None:
    """End a process with ``end_it`` if there is one, and close the channel and the descriptors."""
    if end_it is not None:
        end_it()
    channel.close()
    while descriptors:
        os.close(descriptors.pop())


@functools.cache
def _spawner(owner: int) -> ThreadPoolExecutor:
    """An executor with one thread, which starts the processes for all threads. A forked process gets an executor of its
    own.
    """
    return ThreadPoolExecutor(1, f"upskill-spawner-{owner}")


def _discard(future: Future[subprocess.Popen[bytes]]) -> None:
    if future.exception() is None:
        end(future.result())
