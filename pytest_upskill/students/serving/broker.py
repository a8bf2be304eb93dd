"""Where the processes of a run ask for servers: the owner starts them, and xdist's workers ask it over a socket.

    Servers       the owner's: starts servers, stops them all, and opens the broker for others
    DeskServers   a worker's: passes each question on to the owner

A line of JSON goes each way: ``{"student": ..., "do": "address" | "revive", "model": ...}``; an address or an error.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_upskill.errors import StudentError
from pytest_upskill.paths import HOME
from pytest_upskill.students.base import Server, StudentConfig
from pytest_upskill.students.serving import plan as plans
from pytest_upskill.students.serving.server import ServerProcess

LONGEST_FOLDER = 80
"""Characters of a folder that leave room for ours: the path of a socket may have 107 bytes."""
ModelFile = Callable[[], Path]
"""Makes the model of a student that brings its own, and says where it is."""


class Servers:
    """The servers of a run, by student. ``root`` is pytest's rootdir; ``tell`` shows a line on progress."""

    def __init__(self, configs: Mapping[str, StudentConfig], root: Path, tell: Callable[[str], object]) -> None:
        self._configs = configs
        self._root = root
        self._tell = tell
        self._lock = threading.Lock()
        self._processes: dict[str, ServerProcess] = {}
        self._models: dict[str, ModelFile] = {}
        self._broker: _Broker | None = None

    def of(self, student: str, model: ModelFile | None = None) -> ServerProcess:
        """The server of a student; it is started when its address is asked for, with the ``model`` named last."""
        with self._lock:
            if model is not None:
                self._models[student] = model
            if student not in self._processes:
                make = partial(self._plan, self._configs[student])
                self._processes[student] = ServerProcess(
                    student, plans.existing(self._configs[student]), make, self._tell
                )
            return self._processes[student]

    def _plan(self, config: StudentConfig) -> plans.Plan:
        model = self._models.get(config.name)
        return plans.make(config, self._root, model() if model else None)

    def open_broker(self) -> str:
        """The path of a socket at which other processes of this run may ask."""
        if self._broker is None:
            self._broker = _Broker(self)
        return self._broker.path

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a worker is told."""
        try:
            if asked["student"] not in self._configs:
                return {"error": f"nobody here serves {asked['student']!r}"}
            server = self.of(asked["student"], self._model_file(asked.get("model")))
            if asked["do"] == "revive":
                server.revive()
            return {"address": server.address()}
        except StudentError as error:
            return {"error": str(error), "lasting": error.lasting}

    def stop(self) -> None:
        """Ends all servers that we started, and the broker."""
        with self._lock:
            processes, broker = list(self._processes.values()), self._broker
            self._broker = None
        for process in processes:
            process.stop()
        if broker is not None:
            broker.close()

    def _model_file(self, digest: object) -> ModelFile | None:
        """A worker names a model by its digest alone, so that nobody can have another file served."""
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{16,64}", digest):
            return None
        return lambda: model_path(self._root, digest)


class BrokerClient:
    """The servers of a run as a worker sees them; ``path`` is the owner's socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def of(self, student: str, model: ModelFile | None = None) -> Server:
        """The server of a student."""
        return _FarServer(self._path, student, model)

    def stop(self) -> None:
        """Nothing to do: they are the owner's."""


def model_path(root: Path, digest: str) -> Path:
    """Where a model that was made for a run lies."""
    return root / HOME / "models" / f"{digest}.gguf"


class _FarServer:
    """One server, through the broker. The address does not change for as long as the server can be had."""

    def __init__(self, path: str, student: str, model: ModelFile | None) -> None:
        self._path = path
        self._student = student
        self._model = model
        self._address: str | None = None

    def address(self) -> str:
        if self._address is None:
            self._address = self._ask("address")
        return self._address

    def revive(self) -> None:
        self._address = None
        self._address = self._ask("revive")

    def _ask(self, do: str) -> str:
        digest = self._model().stem if self._model else None
        asked = {"student": self._student, "do": do, "model": digest}
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                connection.sendall(json.dumps(asked).encode() + b"\n")
                answer = json.loads(connection.makefile().readline())
        except (OSError, ValueError):
            raise StudentError(f"student '{self._student}': the run was ended before its server could answer") from None
        if "error" in answer:
            raise StudentError(answer["error"], lasting=bool(answer.get("lasting")))
        return str(answer["address"])


class _Broker:
    """Listens on a socket that only this user can reach, one thread for each who asks."""

    def __init__(self, servers: Servers) -> None:
        short = len(tempfile.gettempdir()) < LONGEST_FOLDER
        self._folder = Path(tempfile.mkdtemp(prefix="upskill-", dir=None if short else "/tmp"))
        self.path = str(self._folder / "broker")

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    answer = servers.answer(json.loads(self.rfile.readline()))
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        class Listener(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False

        self._listener = Listener(self.path, Handler)
        self._thread = threading.Thread(target=self._listener.serve_forever, name="upskill-broker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)
