"""The suite's search for leftovers finds those that exist."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.hostile import leftovers
from tests.hostile.leftovers import MARK


def test_a_marked_file_is_found_at_any_depth(tmp_path: Path) -> None:
    assert not leftovers.files(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / MARK).touch()
    assert leftovers.files(tmp_path) == [tmp_path / "a" / "b" / MARK]


def test_a_process_that_outlives_its_parent_is_found_and_so_is_its_mark() -> None:
    with leftovers.adopting() as before:
        look_for_an_orphan(before)


def look_for_an_orphan(before: frozenset[int]) -> None:
    script = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid)"
    mark = f"marked-by-{os.getpid()}"  # other workers look for the suite's own mark meanwhile
    orphan = ["-c", "import signal; signal.pause()", mark]
    made = subprocess.run([sys.executable, "-c", script, sys.executable, *orphan], stdout=subprocess.PIPE, check=True)
    pid = int(made.stdout)
    try:
        deadline = time.monotonic() + 10  # a new process has no command line for a moment
        while (marked := leftovers.marked_processes(mark)) != [pid] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert marked == [pid]
        found = leftovers.orphans(before, seconds=0.1)
        assert list(found) == [pid]
        assert mark in found[pid]
    finally:
        signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
    assert leftovers.orphans(before) == {}


def test_a_port_that_is_open_is_found_and_so_is_who_connects() -> None:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
        opened.listen()
        assert not leftovers.port_is_free(port)
    assert leftovers.port_is_free(port)
    with leftovers.listening() as listener:
        assert not leftovers.was_reached(listener)
        with socket.create_connection(listener.getsockname()):
            assert leftovers.was_reached(listener)
