"""What a confined process gives up by itself, for good: system calls, by filters (seccomp). Stands alone.

Imported by ``worker`` and ``kernel_isolation``, which run in processes of their own and find it beside them; it may
import nothing of ours. x86-64 alone; elsewhere nothing is installed, and ``install`` says so.

Sources: seccomp(2), and the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
SIGKILL = 9

SECCOMP = 317
SET_MODE_FILTER = 1
NEW_LISTENER = 8

LOAD, AND, EQUAL, MASKED, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
ALLOW, REFUSE, MISSING, ASK, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x7FC00000, 0x80000000
ARCHITECTURE = 0xC000003E
X32_BIT = 0x40000000
CLONE_THREAD = 0x00010000
CLONE, CLONE3, PRLIMIT, PRCTL, OPEN, OPENAT, OPENAT2 = 56, 435, 302, 157, 2, 257, 437
WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_ACCMODE, O_CREAT, O_TRUNC, __O_TMPFILE
SOCKET, AF_UNIX = 41, 1
OF_CUDA = (42, 49)  # connect, bind
SIGNALS = (62, 129, 234, 297)  # kill, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo

FOR_NOBODY = (
    *(101, 310, 311, 312, 438),  # ptrace, process_vm_readv, process_vm_writev, kcmp, pidfd_getfd
    *(165, 166, 272, 308, 155, 161, 304),  # mount, umount2, unshare, setns, pivot_root, chroot, open_by_handle_at
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
    *(298, 321, 323, 425, 426, 427),  # perf_event_open, bpf, userfaultfd, io_uring_setup, _enter, _register
    *(246, 320, 248, 249, 250, 169, 175, 176, 313),  # kexec, keys, reboot, modules
    *(163, 164, 167, 168, 170, 171, 172, 173, 179, 227, 300),  # acct, clocks, swap, names, ports, quotas, fanotify
    *(256, 279, 440),  # migrate_pages, move_pages, process_madvise
)
"""Neither a compiler nor a kernel has any need of these."""

FOR_NO_KERNEL = (
    *(41, 42, 49, 53),  # socket, connect, bind, socketpair
    *(57, 58, 59, 322),  # fork, vfork, execve, execveat
    *(109, 112, 200, 424, 434),  # setpgid, setsid, tkill, pidfd_send_signal, pidfd_open
    *(160, 141, 144, 203, 314),  # setrlimit, setpriority, sched_setscheduler, sched_setaffinity, sched_setattr
)
"""A kernel's host code has no need of these; threads stay possible."""

FOR_NO_KERNEL_WITHOUT_GPU = (
    *(85, 82, 264, 316, 83, 258, 84, 87, 263),  # creat, rename, mkdir, rmdir, unlink
    *(86, 265, 88, 266, 133, 259, 76),  # link, symlink, mknod, truncate
    *(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 280, 188, 189, 190),  # modes, owners, times, attributes
    *(29, 64, 68, 240, 319, 447),  # shmget, semget, msgget, mq_open, memfd_create, memfd_secret
)
"""What makes or changes files, and memory that no limit of the process counts. CUDA's driver does some of it."""


def hide() -> None:
    """No core, no debugger; killed when the parent is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)


def worker_rules(own: int, on_gpu: bool) -> "list[bytes]":
    """For the process in which a kernel is loaded, whose number is ``own``.

    CUDA's driver shares descriptors through a local socket with an abstract name, so that with a GPU local sockets
    are allowed; those of bubblewrap's network namespace reach nobody outside.
    """
    steps = beginning()
    steps += [step(EQUAL, CLONE3, 0, 1), step(RETURN, MISSING)]
    if on_gpu:
        steps += [step(EQUAL, SOCKET, 0, 4), step(LOAD, argument(0)), step(EQUAL, AF_UNIX, 1), step(RETURN, REFUSE)]
        steps += [step(RETURN, ALLOW)]
    refused = [*FOR_NOBODY, *FOR_NO_KERNEL, *(() if on_gpu else FOR_NO_KERNEL_WITHOUT_GPU)]
    steps += refuse([number for number in refused if not (on_gpu and number in (SOCKET, *OF_CUDA))])
    if not on_gpu:
        steps += [step(EQUAL, OPENAT2, 0, 1), step(RETURN, MISSING), *only_reading(OPEN, 1), *only_reading(OPENAT, 2)]
    for signal in SIGNALS:
        steps += [step(EQUAL, signal, 0, 4), step(LOAD, argument(0)), step(EQUAL, own, 1), step(RETURN, REFUSE)]
        steps += [step(RETURN, ALLOW)]
    # Reading limits is fine (libc does, for the size of stacks), setting them is not: the third argument must be NULL.
    steps += [step(EQUAL, PRLIMIT, 0, 6), step(LOAD, argument(2)), step(EQUAL, 0, 0, 2), step(LOAD, argument(2) + 4)]
    steps += [step(EQUAL, 0, 1), step(RETURN, REFUSE), step(RETURN, ALLOW)]
    steps += [step(EQUAL, PRCTL, 0, 5), step(LOAD, argument(0)), step(EQUAL, PR_SET_PDEATHSIG, 1)]
    steps += [step(EQUAL, PR_SET_DUMPABLE, 0, 1), step(RETURN, REFUSE), step(RETURN, ALLOW)]
    steps += [step(EQUAL, CLONE, 0, 3), step(LOAD, argument(0)), step(MASKED, CLONE_THREAD, 1), step(RETURN, REFUSE)]
    return [*steps, step(RETURN, ALLOW)]


def compiler_rules(sockets: bool) -> "list[bytes]":
    """For a compiler and what it starts."""
    return [*beginning(), *refuse([*FOR_NOBODY, *(() if sockets else (SOCKET,))]), step(RETURN, ALLOW)]


def thread_rules() -> "list[bytes]":
    """Whoever holds the listener is asked for each new thread."""
    return [*beginning(), step(EQUAL, CLONE, 0, 1), step(RETURN, ASK), step(RETURN, ALLOW)]


def no_thread_rules() -> "list[bytes]":
    """For a process that has all its threads already."""
    return [*beginning(), step(EQUAL, CLONE3, 0, 1), step(RETURN, MISSING), *refuse([CLONE]), step(RETURN, ALLOW)]


def beginning() -> "list[bytes]":
    """Refuses other architectures, and loads the number of the call."""
    steps = [step(LOAD, 4), step(EQUAL, ARCHITECTURE, 1), step(RETURN, KILL), step(LOAD, 0)]
    return [*steps, step(AT_LEAST, X32_BIT, 0, 1), step(RETURN, REFUSE)]


def refuse(numbers: "list[int]") -> "list[bytes]":
    """EPERM for each call."""
    return [part for number in numbers for part in (step(EQUAL, number, 0, 1), step(RETURN, REFUSE))]


def only_reading(call: int, place: int) -> "list[bytes]":
    """Opening a file is allowed where the flags, the argument at ``place``, neither write nor create."""
    steps = [step(EQUAL, call, 0, 5), step(LOAD, argument(place)), step(AND, WRITING)]
    return [*steps, step(EQUAL, 0, 1), step(RETURN, REFUSE), step(RETURN, ALLOW)]


def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction of the Berkeley packet filter; the jumps count what they pass over."""
    return code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")


def argument(number: int) -> int:
    """Where the lower half of an argument lies in ``struct seccomp_data``."""
    return 16 + 8 * number


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(rules: "list[bytes]", flags: int = 0) -> bool:
    """Puts a filter on top of those that are there; False where the kernel has none."""
    return _install(rules, flags) >= 0


def watch_threads() -> int:
    """From now on a new thread needs an answer; the descriptor on which it is asked for, -1 where there is none."""
    return _install(thread_rules(), NEW_LISTENER)


def _install(rules: "list[bytes]", flags: int) -> int:
    if os.uname().machine != "x86_64":
        return -1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    program = Program(len(rules), b"".join(rules))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(SECCOMP, SET_MODE_FILTER, flags, ctypes.byref(program)))
