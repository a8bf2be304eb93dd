from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_upskill.errors import SandboxError
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT


def shell(script: str, **options) -> process.Ran:
    return process.run(["/bin/sh", "-c", script], environment=ENVIRONMENT, **{"seconds": 10.0, **options})


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ends(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10.0)[0])
    finally:
        os.close(descriptor)


def test_status_and_output_come_back() -> None:
    assert shell("echo out; echo err >&2; exit 3") == process.Ran(3, "out\nerr\n")


def test_signal_is_told_as_a_shell_tells_it() -> None:
    assert shell("kill -SEGV $$").status == 139


def test_process_that_does_not_end_is_killed_with_all_of_its_children() -> None:
    ran = shell("sleep 1000 & echo $!; sleep 1000", seconds=0.3)
    assert ran.timed_out
    assert ends(int(ran.output))


def test_flood_is_cut_off() -> None:
    ran = shell("yes", output_bytes=10_000)
    assert ran.flooded
    assert len(ran.output) == 10_000


def test_environment_is_only_what_was_given() -> None:
    names = {line.split("=")[0] for line in shell("env").output.splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_"}


def test_missing_program_is_named() -> None:
    with pytest.raises(SandboxError, match=r"cannot start '/no/such/program': No such file"):
        process.run(["/no/such/program"], environment={}, seconds=1.0)


def children() -> list[str]:
    """The processes of this thread, those of other tests in the same process included."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()


def test_nothing_is_left_open_or_unreaped() -> None:
    shell("true")
    before, threads, others = open_descriptors(), threading.active_count(), children()
    shell("echo hello")
    shell("sleep 1000", seconds=0.05)
    with pytest.raises(SandboxError):
        process.run(["/no/such/program"], environment={}, seconds=1.0)
    assert (open_descriptors(), threading.active_count()) == (before, threads)
    assert children() == others


def test_process_outlives_the_thread_that_asked_for_it() -> None:
    started: list[subprocess.Popen[bytes]] = []
    argv = [sys.executable, "-I", "-S", "-c", DIES_WITH_ITS_PARENT]
    thread = threading.Thread(target=lambda: started.append(process.start(argv, environment=ENVIRONMENT)))
    thread.start()
    thread.join()
    output = started[0].stdout
    assert output is not None
    assert output.read(5) == b"ready"
    assert not process.has_ended(started[0], 0.1)
    process.end(started[0])


DIES_WITH_ITS_PARENT = """
import ctypes, time
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
print("ready", flush=True)
time.sleep(100)
"""
