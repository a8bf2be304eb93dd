"""Makes filters of system calls (seccomp) for confined processes, as Berkeley packet filters in hexadecimal.

The filters are for x86-64. On other architectures a filter is empty, and ``seccomp`` installs nothing. Sources:
seccomp(2), seccomp_unotify(2), and the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from pytest_upskill.sandbox.seccomp import OWN_PROCESS, PR_SET_DUMPABLE, PR_SET_PDEATHSIG

_LOAD, _AND, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ASK = 0x7FFF0000, 0x80000000, 0x7FC00000
_EPERM, _ENOSYS = 0x00050001, 0x00050026
_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000
_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_ACCMODE, O_CREAT, O_TRUNC, __O_TMPFILE
_AF_UNIX = 1
_PROT_EXEC = 4
_MREMAP_FIXED = 2  # and MREMAP_DONTUNMAP is 4: smaller flags only resize memory, or let the kernel choose its place


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SIGNALS = ("kill", "rt_sigqueueinfo", "tgkill", "rt_tgsigqueueinfo")
FOR_CUDA = ("socket", "connect", "bind")
"""System calls for local sockets. CUDA's driver shares descriptors through a local socket with an abstract name, so
these calls are allowed with a GPU. bubblewrap's network namespace keeps such sockets from reaching other processes.
"""

REFUSED = _words(
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd mount umount2 unshare setns pivot_root chroot "
    "open_by_handle_at open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr perf_event_open bpf "
    "userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load kexec_file_load add_key request_key "
    "keyctl reboot init_module delete_module finit_module acct settimeofday swapon swapoff sethostname setdomainname "
    "iopl ioperm quotactl clock_settime fanotify_init migrate_pages move_pages process_madvise"
)
"""System calls that neither a compiler nor a kernel needs."""

REFUSED_TO_KERNELS = _words(
    "socket connect bind socketpair fork vfork execve execveat setpgid setsid tkill pidfd_send_signal pidfd_open "
    "setrlimit setpriority sched_setscheduler sched_setaffinity sched_setattr"
)
"""System calls that the host code of a kernel does not need. Creating threads stays possible."""

_REFUSED_WITHOUT_GPU = _words(
    "creat rename renameat renameat2 mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat mknod mknodat "
    "truncate chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat setxattr lsetxattr "
    "fsetxattr shmget semget msgget mq_open memfd_create memfd_secret"
)
"""System calls that create or change files, or memory outside the limits of the process. CUDA's driver uses some of
them.
"""


@functools.cache
def numbers() -> Mapping[str, int]:
    """The number of each system call on x86-64, by name."""
    from system_calls.tables.x86_64 import syscalls_x86_64

    return cast("Mapping[str, int]", syscalls_x86_64)


@functools.cache
def for_kernels(on_gpu: bool = False) -> str:
    """The filter of a process in which a kernel is loaded."""
    steps = _when("clone3", _step(_RETURN, _ENOSYS))
    if on_gpu:
        steps += _when("socket", _step(_LOAD, _argument(0)) + _step(_EQUAL, _AF_UNIX, 1) + _REFUSE_OR_ALLOW)
    refused = [*REFUSED, *REFUSED_TO_KERNELS, *(() if on_gpu else _REFUSED_WITHOUT_GPU)]
    steps += _refuse(name for name in refused if not (on_gpu and name in FOR_CUDA))
    if not on_gpu:
        steps += _when("openat2", _step(_RETURN, _ENOSYS)) + _only_reading("open", 1) + _only_reading("openat", 2)
    for name in _SIGNALS:
        steps += _when(name, _step(_LOAD, _argument(0)) + _step(_EQUAL, OWN_PROCESS, 1) + _REFUSE_OR_ALLOW)
    # libc reads limits, for the size of stacks. The third argument must be NULL, so that no limit can be set.
    null = _step(_LOAD, _argument(2)) + _step(_EQUAL, 0, 0, 2) + _step(_LOAD, _argument(2) + 4) + _step(_EQUAL, 0, 1)
    steps += _when("prlimit64", null + _REFUSE_OR_ALLOW)
    own = _step(_LOAD, _argument(0)) + _step(_EQUAL, PR_SET_PDEATHSIG, 1) + _step(_EQUAL, PR_SET_DUMPABLE, 0, 1)
    steps += _when("prctl", own + _REFUSE_OR_ALLOW)
    thread = _step(_LOAD, _argument(0)) + _step(_ANY_BIT, _CLONE_THREAD, 1) + _step(_RETURN, _EPERM)
    return _filter(steps + _when("clone", thread))


@functools.cache
def without_new_code() -> str:
    """The filter of a process that has loaded all its code. It forbids making memory executable, and moving code."""
    steps = b""
    for name in ("mmap", "mprotect", "pkey_mprotect"):
        steps += _when(name, _step(_LOAD, _argument(2)) + _step(_ANY_BIT, _PROT_EXEC, 0, 1) + _REFUSE_OR_ALLOW)
    steps += _when("mremap", _step(_LOAD, _argument(3)) + _step(_AT_LEAST, _MREMAP_FIXED, 0, 1) + _REFUSE_OR_ALLOW)
    return _filter(steps + _refuse(("personality", "shmat", "remap_file_pages", "modify_ldt")))


@functools.cache
def for_compilers(sockets: bool) -> str:
    """The filter of a compiler and of the processes that it starts."""
    return _filter(_refuse([*REFUSED, *(() if sockets else ("socket",))]))


@functools.cache
def asking_for_threads() -> str:
    """A filter that passes each request for a new thread to the holder of the listener."""
    return _filter(_when("clone", _step(_RETURN, _ASK)))


@functools.cache
def without_threads() -> str:
    """The filter of a process that has started all its threads."""
    return _filter(_when("clone3", _step(_RETURN, _ENOSYS)) + _refuse(["clone"]))


def _filter(steps: bytes) -> str:
    """A filter that loads the number of the system call, then runs ``steps``. Other architectures are killed; calls
    that no step decides on are allowed.
    """
    if os.uname().machine != "x86_64":
        return ""
    first = _step(_LOAD, 4) + _step(_EQUAL, _X86_64, 1) + _step(_RETURN, _KILL) + _step(_LOAD, 0)
    first += _step(_AT_LEAST, _X32_BIT, 0, 1) + _step(_RETURN, _EPERM)
    return (first + steps + _step(_RETURN, _ALLOW)).hex()


def _refuse(names: Iterable[str]) -> bytes:
    return b"".join(_when(name, _step(_RETURN, _EPERM)) for name in names)


def _only_reading(name: str, place: int) -> bytes:
    """Steps that allow opening a file only if its flags, in the argument at ``place``, neither write nor create."""
    steps = _step(_LOAD, _argument(place)) + _step(_AND, _WRITING) + _step(_EQUAL, 0, 1)
    return _when(name, steps + _REFUSE_OR_ALLOW)


def _when(name: str, steps: bytes) -> bytes:
    """The steps, preceded by a test that skips them unless the system call has this name."""
    return _step(_EQUAL, numbers()[name], 0, len(steps) // _STEP_BYTES) + steps


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction of the packet filter. ``yes`` and ``no`` count the instructions that a comparison skips."""
    return code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")


_STEP_BYTES = 8
_REFUSE_OR_ALLOW = _step(_RETURN, _EPERM) + _step(_RETURN, _ALLOW)
"""Two instructions, for use after a comparison: the first refuses the call, and the second allows it. The comparison
jumps over the first instruction to allow the call.
"""


def _argument(number: int) -> int:
    """The offset of the lower half of an argument in ``struct seccomp_data``."""
    return 16 + 8 * number


MOST_THREADS = 64
"""The most threads of one process at a time. The system's own limit (RLIMIT_NPROC) does not apply to root. A kernel's
host code needs one thread, CUDA's driver a few.
"""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_REQUEST = struct.Struct("<QII64s")
_REPLY = struct.Struct("<QqiI")
_CONTINUE = 1


def answer(listener: int, most: int = MOST_THREADS) -> bool:
    """Answer one request for a thread. Returns False if the thread was refused. Ignores requests of processes that have
    ended.
    """
    request = bytearray(_REQUEST.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, request)
        number, process, _, _ = _REQUEST.unpack(request)
        allowed = sum(1 for _ in Path(f"/proc/{process}/task").iterdir()) < most
        reply = _REPLY.pack(number, 0, 0, _CONTINUE) if allowed else _REPLY.pack(number, 0, -errno.EAGAIN, 0)
        fcntl.ioctl(listener, _SEND, reply)
    except OSError:
        return True
    return allowed
