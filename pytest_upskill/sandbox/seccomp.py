"""Functions by which a confined process gives up rights permanently: core dumps, debuggers, resources and system calls.

Programs that run in their own processes import this module from its own folder (``import seccomp``), so it imports
nothing from this package. Their parent passes them the filters, which ``system_call_filters`` makes.
"""

import ctypes
import os
import resource

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
SIGKILL = 9

SECCOMP = 317
SET_MODE_FILTER = 1
NEW_LISTENER = 8
OWN_PROCESS = 0x7FFFFFFF
"""Stands for the number of the process that installs a filter. No process has this number."""


def hide() -> None:
    """Forbid core dumps and debuggers for this process, and have it killed when its parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)


def limit(what: int, bound: int) -> None:
    """Set a limit of the module ``resource``. It cannot be raised again."""
    _, hard = resource.getrlimit(what)
    least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(what, (least, least))


def address_space() -> int:
    """The bytes that this process has mapped; 0 if /proc is hidden."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes 10 ms to load
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(rules: str) -> bool:
    """Add a filter (hexadecimal) to those that are installed. Returns False if ``rules`` is empty, or if the system's
    kernel refuses the filter.
    """
    return _install(rules, 0) >= 0


def listen(rules: str) -> int:
    """Add a filter that asks the parent. Returns the descriptor from which the parent reads the requests, or -1."""
    return _install(rules, NEW_LISTENER)


def _install(rules: str, flags: int) -> int:
    if not rules:
        return -1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    instructions = bytes.fromhex(rules).replace(OWN_PROCESS.to_bytes(4, "little"), os.getpid().to_bytes(4, "little"))
    program = Program(len(instructions) // 8, instructions)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(SECCOMP, SET_MODE_FILTER, flags, ctypes.byref(program)))
