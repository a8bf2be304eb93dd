"""Finds files, processes and open ports that hostile replies try to leave behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_upskill.paths import cache_folder

MARK = "upskill-hostile-mark"
"""The name of every file that a hostile reply writes, and an argument of every process that it starts."""

LISTENED = range(47913, 47923)
"""Ports of this machine to which a hostile reply connects."""

OPENED = 47931
"""The port that a hostile reply opens."""

_FOLDERS = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/usr/local", "/etc", "/root")
_PR_SET_CHILD_SUBREAPER = 36
_END_SECONDS = 30.0


def files(*folders: Path) -> list[Path]:
    """Marked files: directly in well-known folders, and anywhere in ``folders`` and the cache."""
    places = [Path(name) / MARK for name in _FOLDERS] + [Path.home() / MARK, Path.cwd() / MARK]
    inside = [path for folder in (*folders, cache_folder()) for path in folder.rglob(MARK)]
    return sorted({*inside, *(place for place in places if place.exists())})


def marked_processes(mark: str = MARK) -> list[int]:
    """Processes of any user with the mark in their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and folder.name != str(os.getpid()):
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return sorted(found)


def marked_processes_that_stay(seconds: float = _END_SECONDS) -> list[int]:
    """Marked processes that do not end within the limit: another worker of the tests may run some meanwhile."""
    deadline = time.monotonic() + seconds
    while (found := marked_processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def adopting() -> Iterator[frozenset[int]]:
    """While active, orphaned processes become children of this one. Yields the children that exist already."""
    _adopt(True)
    try:
        yield children()
    finally:
        _adopt(False)


def _adopt(yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children() -> frozenset[int]:
    """Our child processes, including those that have exited."""
    lists = Path("/proc/self/task").glob("*/children")
    return frozenset(int(word) for path in lists for word in path.read_text().split())


def orphans(before: frozenset[int], seconds: float = _END_SECONDS) -> dict[int, str]:
    """New child processes that still run after ``seconds``, in which they could end with their parents: process id to
    arguments.
    """
    alive = {}
    for child in children() - before:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            descriptor = os.pidfd_open(child)
            try:
                if select.select([descriptor], [], [], seconds)[0]:
                    os.waitpid(child, 0)
                else:
                    alive[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            finally:
                os.close(descriptor)
    return alive


def port_is_free(port: int = OPENED) -> bool:
    """True if no process listens on the port that a hostile reply opens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that a hostile reply would reach if it had a network. Other runs may hold some of the ports."""
    with socket.socket() as listener:
        for port in LISTENED:
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                break
        listener.listen()
        listener.setblocking(False)
        yield listener


def was_reached(listener: socket.socket) -> bool:
    """True if something connected."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
