"""A server that we start: it is waited for, shared, started again once, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import StudentError
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.serving.broker import BrokerClient, Servers

SERVER = """
import http.server, os, pathlib, sys
port, pids = int(sys.argv[1]), pathlib.Path(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("it listens", flush=True)
pids.open("a").write(f"{os.getpid()}\\n")
server.serve_forever()
"""


class Bench:
    """Servers of this test; each is a small Python program that answers with its process id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids = folder / "pids"
        self.lines: list[str] = []
        (folder / "server.py").write_text(SERVER, encoding="utf-8")

    def servers(self, command: str = "", **fields: Any) -> Servers:
        command = command or f"{sys.executable} {self.folder / 'server.py'} {{port}} {self.pids}"
        configs = {"pupil": StudentConfig("pupil", "llama.cpp", "m", serve=command, **fields)}
        return Servers(configs, self.folder, self.lines.append)

    def started(self) -> list[int]:
        return [int(line) for line in self.pids.read_text().split()] if self.pids.exists() else []


def pid_at(address: str) -> int:
    with urllib.request.urlopen(f"{address}/models", timeout=10) as answer:
        return int(answer.read())


def wait_for_end(pid: int) -> None:
    """Returns when the process is gone, at once or not; a test that hangs here has found an orphan."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    assert select.select([descriptor], [], [], 30)[0], f"process {pid} was left behind"
    os.close(descriptor)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for pid in made.started():
        wait_for_end(pid)


def test_a_server_is_started_when_it_is_first_needed_and_ended_with_the_run(bench: Bench) -> None:
    servers = bench.servers()
    server = servers.of("pupil")
    assert bench.started() == []
    try:
        with ThreadPoolExecutor(8) as pool:
            addresses = set(pool.map(lambda _: server.address(), range(8)))
        (address,) = addresses
        assert bench.started() == [pid_at(address)], "one for all who ask"
        assert bench.lines[0].startswith("starting the server of pupil: ")
        assert bench.lines[-1].startswith(f"pupil answers at {address} after")
        assert "it listens" in (bench.folder / ".upskill/serve/pupil.log").read_text()
    finally:
        servers.stop()
    with pytest.raises(StudentError, match="the run was ended"):
        server.address()


def test_a_server_that_is_there_already_is_used_and_left_running(bench: Bench) -> None:
    first = bench.servers()
    address = first.of("pupil").address()
    second = bench.servers("false", base_url=address)
    try:
        assert second.of("pupil").address() == address
        second.of("pupil").revive()
        second.stop()
        assert pid_at(address) == bench.started()[0]
    finally:
        first.stop()


def test_a_server_that_dies_is_started_again_at_its_address_once(bench: Bench) -> None:
    servers = bench.servers()
    server = servers.of("pupil")
    try:
        address = server.address()
        server.revive()
        assert len(bench.started()) == 1, "one that lives is left alone"
        for _ in range(2):
            kill(pid_at(address))
            if len(bench.started()) == 1:
                revived(server)
                assert server.address() == address
        with pytest.raises(StudentError) as caught:
            revived(server)
        assert "its server ended again (signal 9) and is not started a third time" in str(caught.value)
        assert str(bench.folder / ".upskill/serve/pupil.log") in str(caught.value)
        assert caught.value.lasting
        with pytest.raises(StudentError, match="not started a third time"):
            server.address()
        assert len(bench.started()) == 2
    finally:
        servers.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)


def revived(server: Any) -> None:
    """The supervisor notices the end of its server a moment after the server's end."""
    server._process.wait(30)
    server.revive()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sh -c 'echo no such model; exit 3'", "(exit status 3); its last line of output: no such model"),
        ("/nowhere/server", "(exit status 127); its last line of output: cannot start '/nowhere/server'"),
    ],
)
def test_a_server_that_cannot_start_is_told_with_its_last_words_and_its_log(
    bench: Bench, command: str, said: str
) -> None:
    servers = bench.servers(command, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(StudentError) as caught:
        servers.of("pupil").address()
    assert f"ended before it could answer {said}" in str(caught.value)
    assert f"its log is {bench.folder / '.upskill/serve/pupil.log'}" in str(caught.value)
    with pytest.raises(StudentError):
        servers.of("pupil").address()
    assert len([line for line in bench.lines if line.startswith("starting")]) == 1
    servers.stop()


def test_a_start_that_takes_too_long_ends_with_the_run(bench: Bench) -> None:
    servers = bench.servers("sleep 600", base_url="http://127.0.0.1:9/v1")
    told = threading.Event()
    servers._tell = lambda line: told.set()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(servers.of("pupil").address)
        assert told.wait(30)
        servers.stop()
        with pytest.raises(StudentError, match="the run was ended"):
            waiting.result(30)


def test_other_processes_of_the_run_get_the_same_server_from_the_broker(bench: Bench) -> None:
    servers = bench.servers()
    path = servers.open_broker()
    assert path == servers.open_broker()
    far = [BrokerClient(path).of("pupil") for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            (address,) = set(pool.map(lambda server: server.address(), far))
        assert address == servers.of("pupil").address()
        kill(pid_at(address))
        servers.of("pupil")._process.wait(30)  # type: ignore[union-attr]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda server: server.revive(), far))
        assert pid_at(address) == bench.started()[1]
        assert len(bench.started()) == 2
        with pytest.raises(StudentError, match="there is no student 'stranger' in this run"):
            BrokerClient(path).of("stranger").address()
    finally:
        servers.stop()
    with pytest.raises(StudentError, match="the run was ended"):
        BrokerClient(path).of("pupil").address()
    assert not Path(path).exists()


def test_a_worker_cannot_have_another_file_served(bench: Bench) -> None:
    servers = bench.servers()
    assert servers._model_file("../../etc/passwd") is None
    found = servers._model_file("0123456789abcdef")
    assert found is not None and found() == bench.folder / ".upskill/models/0123456789abcdef.gguf"


OWNER = """
import json, sys, time
from pathlib import Path
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.serving.broker import Servers
folder, command = Path(sys.argv[1]), sys.argv[2]
servers = Servers({"pupil": StudentConfig("pupil", "llama.cpp", "m", serve=command)}, folder, lambda line: None)
address = servers.of("pupil").address()
print(json.dumps({"address": address, "supervisor": servers.of("pupil")._process.pid}), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["owner", "supervisor"])
def test_no_server_outlives_its_owner_or_its_supervisor_even_where_they_are_killed(bench: Bench, victim: str) -> None:
    command = f"{sys.executable} {bench.folder / 'server.py'} {{port}} {bench.pids}"
    if victim == "owner":
        command = f'sh -c "{command}; exit 0"'  # what a server starts itself goes with it
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(bench.folder), command], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        told = json.loads(owner.stdout.readline())
        (pid,) = bench.started()
        os.kill(owner.pid if victim == "owner" else told["supervisor"], signal.SIGKILL)
        wait_for_end(pid)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()  # type: ignore[union-attr]
