"""How an untrusted process is fenced in: the strongest level that this machine offers, and its command lines.

Knows nothing of what is run. Two levels:

- ``bubblewrap``: namespaces of its own (no network, no other process in sight), a read-only view of the few folders
  that a compiler or an interpreter needs, no home directory, a small private /tmp, one writable scratch folder;
- ``process``: a process of its own with limits, and nothing hidden from it.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
"""All that a confined process finds in its environment."""

_SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/nix/store",
)
_LAST = ("--remount-ro", "/dev")
_TMP_BYTES = 64 << 20
_PROBE_SECONDS = 10.0
_NEWER = ("--unshare-user", "--disable-userns")
"""Options of bubblewrap 0.8; with them, a process inside cannot make namespaces of its own."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one process, kept by the kernel. Seconds of processor time; memory and files in bytes."""

    cpu_seconds: int
    memory: int
    file_size: int
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Confinement:
    """One level, ready to use. ``program`` is bubblewrap's path, ``options`` are those of its options that work here.

    ``reason`` says why it is not the strongest level.
    """

    level: Literal["bubblewrap", "process"]
    program: str = ""
    options: tuple[str, ...] = ()
    reason: str = ""

    def describe(self) -> str:
        """One line for the header of a run."""
        if self.level == "bubblewrap":
            return "bubblewrap (no network, read-only file system, limits)"
        return f"process (limits only: {self.reason})"

    def command(
        self,
        argv: Sequence[str],
        *,
        scratch: Path | None = None,
        readable: Sequence[Path] = (),
        resources: Resources | None = None,
    ) -> list[str]:
        """The command line that runs ``argv`` inside. ``scratch`` is writable and the working directory.

        Paths keep their names inside. ``readable`` are files or folders beyond the system's own.
        """
        limited = [*_limit(resources), *argv] if resources else list(argv)
        if self.level == "process":
            return limited
        return [self.program, *self.options, *_binds(scratch, readable), "--", *limited]

    def with_devices(self, devices: Sequence[Path], readable: Sequence[Path]) -> Confinement:
        """The same level, in which some device files are there, and some files or folders may be read."""
        if self.level == "process":
            return self
        words: list[str] = []
        for path in devices:
            words += ["--dev-bind-try", str(path), str(path)]
        for path in dict.fromkeys(readable):
            if not path.is_relative_to("/usr"):
                words += ["--ro-bind-try", str(path), str(path)]
        # Our options end with what makes /dev read-only; nothing can be put there after it.
        return replace(self, options=(*self.options[: -len(_LAST)], *words, *_LAST))


def python_paths() -> tuple[Path, ...]:
    """What a bare interpreter needs to start: its prefix, wherever that lies."""
    return (Path(sys.base_prefix).resolve(), Path(sys.base_exec_prefix).resolve())


def python() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return os.path.realpath(base)


@functools.cache
def strongest() -> Confinement:
    """The strongest level that works on this machine; probed once per process (about 10 ms)."""
    return find(shutil.which("bwrap"))


def find(program: str | None) -> Confinement:
    """The level that ``program`` (bubblewrap's path, or None) gives, tried out by starting a process in it."""
    if program is None:
        return Confinement("process", reason="install bubblewrap to hide files and the network from kernels")
    error = ""
    for extra in (_NEWER, ()):
        confinement = Confinement("bubblewrap", program=program, options=_options(extra))
        error = _probe(confinement)
        if not error:
            return confinement
    return Confinement("process", reason=f"bubblewrap is installed but does not work here: {error}")


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


def _binds(scratch: Path | None, readable: Sequence[Path]) -> list[str]:
    words: list[str] = []
    for path in dict.fromkeys(readable):
        if not path.is_relative_to("/usr"):
            words += ["--ro-bind", str(path), str(path)]
    if scratch is not None:
        words += ["--bind", str(scratch), str(scratch), "--chdir", str(scratch)]
    else:
        words += ["--chdir", "/tmp"]
    return [*words, "--remount-ro", "/"]


def _limit(resources: Resources) -> list[str]:
    # A shell sets the limits: the alternative, a hook between fork and exec, is not safe in a process with threads.
    script = (
        f"ulimit -c 0; ulimit -t {resources.cpu_seconds}; ulimit -v {resources.memory // 1024}; "
        f"ulimit -f {max(1, resources.file_size // 512)}; ulimit -n {resources.open_files}; "
        'exec "$@"'
    )
    return ["/bin/sh", "-c", script, "sh"]


def _probe(confinement: Confinement) -> str:
    """Why a process cannot be started so; empty when it can."""
    try:
        done = subprocess.run(
            confinement.command(["/bin/sh", "-c", "exit 0"]),
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
