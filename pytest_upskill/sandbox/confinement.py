"""Levels of confinement of untrusted processes, and their command lines. There are three levels:

- ``bubblewrap``: namespaces (no network, no other process is visible), a read-only view of the folders that a compiler
  or an interpreter needs, no home directory, a small private /tmp, one writable scratch folder of a limited size;
- ``kernel``: what the system's kernel offers without bubblewrap, set up by ``kernel_isolation``: namespaces, Landlock,
  or both;
- ``process``: a process with limits, from which nothing is hidden.

At every level, a process in which a kernel is loaded filters its own system calls (``seccomp``).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_upskill.sandbox import system_call_filters


@dataclass(frozen=True, slots=True)
class GpuAccess:
    """What a sandboxed process needs for a GPU. ``prefix`` is the command of a program that starts and watches the
    process; it may be empty.
    """

    devices: tuple[Path, ...]
    readable: tuple[Path, ...]
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()


ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
"""The environment of a confined process. It has no other variables unless a caller adds them."""

_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache", "/etc/alternatives", "/nix/store")
_LAST = ("--remount-ro", "/dev")
_TMP_BYTES = 64 << 20
_PROBE_SECONDS = 10.0
_NEWER = ("--unshare-user", "--disable-userns")
"""Options of bubblewrap 0.8. With them, a process inside cannot create namespaces."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one process, which the system enforces: processor time in seconds, memory and files in bytes."""

    cpu_seconds: int
    memory: int
    file_size: int
    open_files: int = 256
    processes: int = 256
    scratch: int = 512 << 20
    """The most bytes of all files in the scratch folder. This limit, and the limit on processes, need namespaces."""


Level = Literal["bubblewrap", "kernel", "process"]

INSTALL = "install bubblewrap 0.8 or later (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"

_HERE = Path(__file__).resolve().parent
_ISOLATION = _HERE / "kernel_isolation.py"
_WORDS = {"namespaces": "no network", "landlock": "other files hidden by Landlock"}


@dataclass(frozen=True, slots=True)
class Confinement:
    """One level of confinement, ready to use. ``program`` is bubblewrap's path, ``options`` has the options of
    bubblewrap that work here, and ``parts`` the parts of ``kernel_isolation``.

    ``reason`` says why this is not the strongest level, and how to get the strongest level; it is empty for the
    strongest level. ``filtered`` is True if a process that loads a kernel can filter its system calls.
    """

    level: Level
    program: str = ""
    options: tuple[str, ...] = ()
    reason: str = ""
    parts: tuple[str, ...] = ()
    devices: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    filtered: bool = True

    @property
    def private_scratch(self) -> bool:
        """Whether the scratch folder inside is a file system in memory of a limited size, which is freed with the
        process.
        """
        return "--size" in self.options or "namespaces" in self.parts

    def describe(self) -> str:
        """One line for the header of a run."""
        what = {
            "bubblewrap": "no network, read-only file system, limits",
            "kernel": ", ".join([*(_WORDS[part] for part in self.parts if part in _WORDS), "limits"]),
            "process": "limits only",
        }[self.level]
        return f"{self.level} ({what}{'; ' if self.reason else ''}{self.reason})"

    def command(
        self,
        argv: Sequence[str],
        *,
        scratch: Path | None = None,
        readable: Sequence[Path] = (),
        resources: Resources | None = None,
    ) -> list[str]:
        """The command line that runs ``argv`` inside. ``scratch`` is writable, and is the working directory.

        Paths are the same inside. ``readable`` are files or folders in addition to those of the system. A private
        scratch folder starts with copies of the files in ``scratch``; what is written to it is lost.
        """
        if self.level == "kernel":
            return self._isolation(argv, scratch, readable, resources)
        limited = [*_limit(resources, self.level == "bubblewrap"), *argv] if resources else list(argv)
        if self.level == "process":
            return limited
        size = resources.scratch if resources and self.private_scratch else 0
        return [self.program, *self.options, *_binds(scratch, size, readable), "--", *limited]

    def with_devices(self, devices: Sequence[Path], readable: Sequence[Path]) -> Confinement:
        """The same level with access to ``devices`` (device files) and, for reading, to the files or folders in
        ``readable``.
        """
        if self.level == "process":
            return self
        if self.level == "kernel":
            return replace(self, devices=tuple(devices), readable=(*readable, Path("/proc")))
        words = [*_bound("--dev-bind-try", devices), *_bound("--ro-bind-try", _beyond_usr(readable))]
        # The last options make /dev read-only; nothing can be bound there after them.
        return replace(self, options=(*self.options[: -len(_LAST)], *words, *_LAST))

    def _isolation(
        self, argv: Sequence[str], scratch: Path | None, readable: Sequence[Path], resources: Resources | None
    ) -> list[str]:
        plan = {
            "parts": self.parts,
            "limits": _limits(resources, "namespaces" in self.parts) if resources else {},
            "scratch": str(scratch) if scratch else None,
            "scratch_bytes": resources.scratch if resources else _TMP_BYTES,
            "readable": [*_SYSTEM, *map(str, (*python_paths(), *self.readable, *readable))],
            "writable": [str(scratch)] if scratch else [],
            "devices": [*map(str, self.devices)],
            "filter": system_call_filters.for_compilers(bool(self.devices)),
        }
        return [python(), "-I", "-S", str(_ISOLATION), json.dumps(plan), *argv]


def python_paths() -> tuple[Path, ...]:
    """The folders that an interpreter needs to start."""
    return (Path(sys.base_prefix).resolve(), Path(sys.base_exec_prefix).resolve())


def python() -> str:
    """The interpreter that a virtual environment links to."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return os.path.realpath(base)


@functools.cache
def strongest() -> Confinement:
    """The strongest level that works on this machine. It is probed once per process, which takes about 10 ms."""
    return find(shutil.which("bwrap"))


def find(program: str | None) -> Confinement:
    """The strongest level that can start a process. ``program`` is bubblewrap's path, or None without bubblewrap."""
    filtered = _can_filter()
    if program is None:
        return replace(_without_bubblewrap(INSTALL), filtered=filtered)
    error = ""
    for extra, reason in ((_NEWER, ""), ((), f"its scratch folder has no limit on its size; {INSTALL}")):
        found = Confinement("bubblewrap", program=program, options=_options(extra), reason=reason)
        error = _probe(found)
        if not error:
            return replace(found, filtered=filtered, reason=reason if filtered else _NO_FILTER)
    reason = f"bubblewrap is installed but does not work here: {error}; {_ALLOW}"
    return replace(_without_bubblewrap(reason), filtered=filtered)


_NO_FILTER = "system calls cannot be filtered; use a kernel with seccomp (5.5 or later, x86-64)"
_ALLOW = "allow unprivileged user namespaces (in a container: --security-opt seccomp=unconfined)"


def _without_bubblewrap(reason: str) -> Confinement:
    """The strongest level without bubblewrap, from the parts that the system's kernel offers."""
    for parts in (("namespaces", "landlock"), ("landlock",), ("namespaces",)):
        found = Confinement("kernel", parts=(*parts, "filter") if _can_filter() else parts, reason=reason)
        if not _probe(found):
            return found
    return Confinement("process", reason=reason)


def _can_filter() -> bool:
    """Whether the system's kernel can filter system calls, and pass them to the parent process for a decision."""
    try:
        actions = Path("/proc/sys/kernel/seccomp/actions_avail").read_text(encoding="ascii")
    except OSError:
        return False
    return os.uname().machine == "x86_64" and "user_notif" in actions.split()


def _options(extra: Sequence[str]) -> tuple[str, ...]:
    # With root's identity and without a read-only /proc/sys, a process could set the host's sysctls from inside.
    private_tmp = ("--size", str(_TMP_BYTES), "--tmpfs", "/tmp") if extra else ("--tmpfs", "/tmp")
    return (
        *("--unshare-all", *extra, "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *_system_binds(),
        *("--proc", "/proc", "--ro-bind-try", "/proc/sys", "/proc/sys", "--dev", "/dev", *private_tmp),
        *_LAST,
    )


def _system_binds() -> list[str]:
    words: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            words += ["--ro-bind", name, name]
    return words


def _binds(scratch: Path | None, scratch_bytes: int, readable: Sequence[Path]) -> list[str]:
    words = [*_bound("--ro-bind", _beyond_usr(readable)), "--chdir", str(scratch or "/tmp")]
    if scratch is not None and scratch_bytes:
        words += ["--size", str(scratch_bytes), "--tmpfs", str(scratch)]
        words += _bound("--ro-bind", sorted(scratch.iterdir()))
    elif scratch is not None:
        words += _bound("--bind", [scratch])
    return [*words, "--remount-ro", "/"]


def _bound(option: str, paths: Iterable[Path]) -> list[str]:
    """Options of bubblewrap that show paths inside, under the same names."""
    return [word for path in paths for word in (option, str(path), str(path))]


def _beyond_usr(paths: Sequence[Path]) -> list[Path]:
    """The paths, without repetition, that are not visible inside already."""
    return [path for path in dict.fromkeys(paths) if not path.is_relative_to("/usr")]


def _limits(resources: Resources, counts_processes: bool) -> dict[str, int]:
    """Limits by their names in the module ``resource``. The limit on processes does not apply to root."""
    processes = {"RLIMIT_NPROC": resources.processes} if counts_processes else {}
    return {
        **processes,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": resources.cpu_seconds,
        "RLIMIT_AS": resources.memory,
        "RLIMIT_FSIZE": resources.file_size,
        "RLIMIT_NOFILE": resources.open_files,
    }


def _limit(resources: Resources, counts_processes: bool) -> list[str]:
    # A shell sets the limits: a hook between fork and exec is not safe in a process with threads. Processes are counted
    # for each user and namespace; outside of a namespace all processes of the user would count.
    count = resources.processes
    # The option's letter differs among shells.
    processes = f"if (ulimit -u {count}) 2>/dev/null; then ulimit -u {count}; else ulimit -p {count}; fi; "
    script = (
        f"ulimit -c 0; ulimit -t {resources.cpu_seconds}; ulimit -v {resources.memory // 1024}; "
        f"ulimit -f {max(1, resources.file_size // 512)}; ulimit -n {resources.open_files}; "
        f"{processes if counts_processes else ''}"
        'exec "$@"'
    )
    return ["/bin/sh", "-c", script, "sh"]


def _probe(confinement: Confinement) -> str:
    """Why a process cannot be started at this level; empty if a process can be started."""
    try:
        done = subprocess.run(
            confinement.command(["/bin/sh", "-c", "exit 0"], scratch=None),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            env=ENVIRONMENT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"exit status {done.returncode}"
