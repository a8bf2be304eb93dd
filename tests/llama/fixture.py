"""The fixture ``llama_server``: import it into a test module or a ``conftest.py``."""

from __future__ import annotations

import importlib.util
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

START_LIMIT = 60.0
"""Seconds until a server that does not listen is given up."""
STOP_LIMIT = 5.0


class LlamaServers:
    """Start a further server with each call; all are stopped when the test ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __call__(
        self,
        answer: str,
        answer_with_marker: str = "",
        marker: str = "",
        *,
        alias: str = "unsloth/GLM-4.7-Flash-GGUF",
        context: int = 32768,
        slots: int = 2,
        api_key: str | None = None,
        template: str = "plain",
    ) -> str:
        """The base URL (``http://127.0.0.1:PORT/v1``) of a server whose model answers ``answer`` to everything, and
        ``answer_with_marker`` to prompts that hold ``marker``. ``context`` is in tokens, for each of the slots.
        ``template`` is a key of ``tiny_gguf.TEMPLATES``: what a model that ``thinks`` says between tags is set apart.
        """
        from .tiny_gguf import Script, write_model

        number = len(self._processes)
        model = write_model(
            self._folder / f"model-{number}.gguf", Script(answer, answer_with_marker, marker, template), context
        )
        log = self._folder / f"server-{number}.log"
        command = [sys.executable, str(Path(__file__).with_name("server.py")), f"--model={model}", f"--alias={alias}"]
        command += [f"--context={context}", f"--slots={slots}"]
        command += [f"--api-key={api_key}"] if api_key else []
        process, address = _listening(command, log)
        base_url = f"{address}/v1"
        self._processes[base_url] = process
        _wait_until_healthy(address, process, log)
        return base_url

    def kill(self, base_url: str) -> None:
        """Kill a server, as a crash would."""
        self._processes[base_url].kill()
        self._processes[base_url].wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:  # it waits for clients that have not left
                process.kill()
                process.wait()


def _listening(command: list[str], log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server, and wait for the address that it writes into a pipe."""
    reading, writing = os.pipe()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, f"--ready={writing}"], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                pass_fds=[writing], start_new_session=True,
            )  # fmt: skip
        os.close(writing)
        written, _, _ = select.select([reading], [], [], START_LIMIT)
        address = os.read(reading, 200).decode() if written else ""
    finally:
        os.close(reading)
    if not address:
        process.kill()
        process.wait()
        pytest.fail(f"the llama.cpp server did not start:\n{_tail(log)}")
    return process, address


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with direct.open(f"{address}/health", timeout=START_LIMIT):
                return
        except urllib.error.URLError:  # 503 while the model is loading
            time.sleep(0.02)
    pytest.fail(f"the llama.cpp server at {address} did not become healthy:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


_MISSING = [name for name in ("xllamacpp", "gguf") if importlib.util.find_spec(name) is None]
needs_llama = pytest.mark.skipif(bool(_MISSING), reason=f"needs {_MISSING}: pip install 'pytest-upskill[llama]'")


@pytest.fixture
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServers]:
    """A function that starts real llama.cpp servers with made models; see ``LlamaServers.__call__``."""
    if _MISSING:
        pytest.skip(f"needs {_MISSING}: pip install 'pytest-upskill[llama]'")
    servers = LlamaServers(tmp_path_factory.mktemp("llama"))
    try:
        yield servers
    finally:
        servers.stop()
