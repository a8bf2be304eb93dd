"""Confines a program with what the system's kernel offers, if bubblewrap is missing. Imports nothing of ours but
``seccomp``.

Started as ``python -I -S kernel_isolation.py PLAN PROGRAM ARGUMENTS...``; PLAN is JSON: ``parts`` (of "namespaces",
"landlock", "filter"), ``limits`` (names of the ``resource`` module to numbers), ``scratch`` (a folder, or null),
``scratch_bytes``, ``readable``, ``writable`` and ``devices`` (paths), and ``filter`` (of system calls). If a part
fails, the process prints the reason and ends before the program starts.

The part "namespaces" hides the network and other processes, and makes a scratch folder with a limit on its size
(user_namespaces(7)). With "landlock", only the listed paths can be opened (landlock(7)). With "filter", system calls
are filtered (``seccomp``). The exit status is the program's, as a shell sees it.
"""

import ctypes
import json
import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 10 ms to load

import seccomp  # type: ignore[import-not-found]

NAMESPACES = (
    0x10000000 | 0x00020000 | 0x40000000 | 0x08000000 | 0x20000000 | 0x04000000
)  # user, mount, net, ipc, pid, uts
NOSUID, NODEV, REC, PRIVATE = 2, 4, 16384, 1 << 18

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
READING = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights that each version of Landlock knows. From version 5 on they are the same."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
CAPABILITIES = 64
PR_CAPBSET_DROP = 24

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Refused(Exception):
    """Raised if the system refuses a part of the confinement."""


def main() -> None:
    """Confine this process, then replace it by the program."""
    plan, argv = json.loads(sys.argv[1]), sys.argv[2:]
    parts = plan["parts"]
    try:
        if "namespaces" in parts:
            enter_namespaces(plan["scratch"], plan["scratch_bytes"])
        # Inside the namespace, so that only the namespace's processes count against the limit on processes.
        for name, limit in plan["limits"].items():
            seccomp.limit(getattr(resource, name), limit)
        if "namespaces" in parts:
            become_a_child(plan["readable"])
        if "landlock" in parts:
            restrict_paths(plan)
        drop_capabilities()
        if "filter" in parts and not seccomp.install(plan["filter"]):
            raise Refused("seccomp")
        os.execvp(argv[0], argv)
    except (OSError, Refused) as error:
        sys.exit(f"sandbox: {error}")


def check(code: int, what: str) -> int:
    """Raise Refused if a system call failed."""
    if code < 0:
        raise Refused(f"{what}: {os.strerror(ctypes.get_errno())}")
    return code


def enter_namespaces(scratch: "str | None", scratch_bytes: int) -> None:
    """Enter new namespaces, in which this process keeps its user number."""
    user, group = os.getuid(), os.getgid()
    check(libc.unshare(NAMESPACES), "namespaces")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{user} {user} 1")
    write("/proc/self/gid_map", f"{group} {group} 1")
    mount("none", "/", None, REC | PRIVATE, None)
    if scratch is not None:
        bound_scratch(scratch, scratch_bytes)


def bound_scratch(scratch: str, size: int) -> None:
    """Mount a file system in memory, of a limited size, over the scratch folder, and copy its files there."""
    with os.scandir(scratch) as entries:
        held = {entry.name: os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC) for entry in entries if entry.is_file()}
    mount("tmpfs", scratch, "tmpfs", NOSUID | NODEV, f"size={size},mode=700")
    for name, source in held.items():
        target = os.open(f"{scratch}/{name}", os.O_WRONLY | os.O_CREAT, 0o600)
        while os.sendfile(target, source, None, 1 << 20):
            pass
        os.close(source)
        os.close(target)
    os.chdir(scratch)


def become_a_child(readable: "list[str]") -> None:
    """Fork twice. The first child is the namespace's first process; all other processes of the namespace end with it.
    Its child becomes the program.
    """
    if first := os.fork():
        wait_for(first)
    seccomp.hide()
    # Hides the host's processes. The system refuses it in a container that masks parts of /proc.
    if libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(NOSUID | NODEV), None) == 0:
        readable.append("/proc")
    if program := os.fork():
        wait_for(program)
    seccomp.hide()


def wait_for(child: int) -> None:
    """Wait for a child, and end this process with the child's status."""
    _, status = os.waitpid(child, 0)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def mount(source: str, target: str, kind: "str | None", flags: int, data: "str | None") -> None:
    """Call mount(2)."""
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    check(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount of {target}")


def write(path: str, text: str) -> None:
    """Write a text with a single call of write(2), which some files of /proc require."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def drop_capabilities() -> None:
    """Drop all capabilities, including root's. The program cannot get any back."""
    for number in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def restrict_paths(plan: "dict[str, object]") -> None:
    """Allow only the listed paths to be opened. Landlock from version 4 on also forbids TCP, and from version 6 on
    signals to processes outside.
    """
    version = check(libc.syscall(CREATE_RULESET, None, 0, 1), "landlock")
    rights = RIGHTS[min(version, 5)]
    words = [rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0]
    attributes = (ctypes.c_uint64 * 3)(*words)
    size = 8 * (3 if version >= 6 else 2 if version >= 4 else 1)
    ruleset = check(libc.syscall(CREATE_RULESET, ctypes.byref(attributes), size, 0), "landlock")
    for path in plan["readable"]:  # type: ignore[attr-defined]
        allow(ruleset, path, READING & rights)
    for path in (*DEVICES, *plan["devices"]):  # type: ignore[misc]
        allow(ruleset, path, (READ_FILE | WRITE_FILE | IOCTL_DEV) & rights)
    for path in plan["writable"]:  # type: ignore[attr-defined]
        allow(ruleset, path, rights & ~IOCTL_DEV)
    libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    check(libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


class PathBeneath(ctypes.Structure):
    """``struct landlock_path_beneath_attr``."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


def allow(ruleset: int, path: str, rights: int) -> None:
    """Allow access to a file, or to a folder and all in it. A missing path gets no rule."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):  # noqa: PTH112
        rights &= OF_FILES
    rule = PathBeneath(rights, parent)
    check(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0), f"landlock for {path}")
    os.close(parent)


if __name__ == "__main__":
    main()
