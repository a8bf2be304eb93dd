"""Limits the threads of a confined process: its filter of system calls asks the parent for each new thread.

The system's own limit (RLIMIT_NPROC) does not apply to root. Source: seccomp_unotify(2).
"""

from __future__ import annotations

import errno
import fcntl
import struct
from pathlib import Path

MOST = 64
"""Threads of one process at a time. A kernel's host code needs one, CUDA's driver a few."""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_REQUEST = struct.Struct("<QII64s")
_REPLY = struct.Struct("<QqiI")
_CONTINUE = 1


def answer(listener: int, most: int = MOST) -> bool:
    """Answers one request for a thread; False if it was refused. Ignores a process that has ended since."""
    request = bytearray(_REQUEST.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, request)
        number, process, _, _ = _REQUEST.unpack(request)
        allowed = _count(process) < most
        reply = _REPLY.pack(number, 0, 0, _CONTINUE) if allowed else _REPLY.pack(number, 0, -errno.EAGAIN, 0)
        fcntl.ioctl(listener, _SEND, reply)
    except OSError:
        return True
    return allowed


def _count(process: int) -> int:
    return sum(1 for _ in Path(f"/proc/{process}/task").iterdir())
