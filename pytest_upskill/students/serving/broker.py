"""The servers of a run. The controller starts them, and xdist's workers request them from the controller's broker.

A request over the broker's socket is a line of JSON, ``{"student": ..., "do": "address" | "revive", "model": ...}``.
The response is a line of JSON with an address or an error. (The managers of ``multiprocessing`` are not used, because
they would replace ``sys.stdout`` of the process that serves them, and unpickle what they receive.)
"""

import contextlib
import json
import re
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_upskill.errors import StudentError
from pytest_upskill.paths import HOME
from pytest_upskill.students.base import Server, StudentConfig
from pytest_upskill.students.serving import plan as plans
from pytest_upskill.students.serving.server import ServerProcess

LONGEST_FOLDER = 80
"""A folder's path must be shorter than this for our socket in it, because a socket's path may have only 107 bytes."""
ModelFile = Callable[[], Path]
"""Creates the model of a student that brings its own model, and returns the model's path."""


class Servers:
    """The servers of a run, by student. ``root`` is pytest's rootdir. ``tell`` shows a line about progress."""

    def __init__(self, configs: Mapping[str, StudentConfig], root: Path, tell: Callable[[str], object]) -> None:
        self._configs = configs
        self._root = root
        self._tell = tell
        self._lock = threading.Lock()
        self._processes: dict[str, ServerProcess] = {}
        self._models: dict[str, ModelFile] = {}
        self._broker: _Broker | None = None

    def of(self, student: str, model: ModelFile | None = None) -> ServerProcess:
        """Return the server of a student. It is started when its address is requested, with the last ``model`` given
        here.
        """
        with self._lock:
            if model is not None:
                self._models[student] = model
            if student not in self._processes:
                config = self._configs[student]

                def make() -> plans.Plan:
                    last = self._models.get(student)
                    return plans.make(config, self._root, last() if last else None)

                self._processes[student] = ServerProcess(student, plans.existing(config), make, self._tell)
            return self._processes[student]

    def open_broker(self) -> str:
        """Open the broker, unless it is open, and return the path of its socket, for other processes of this run."""
        if self._broker is None:
            self._broker = _Broker(self._respond)
        return self._broker.path

    def _respond(self, request: Mapping[str, Any]) -> dict[str, Any]:
        student, digest = request["student"], request.get("model")
        if student not in self._configs:
            return {"error": f"there is no student {student!r} in this run"}
        try:
            server = self.of(student, self._model_file(digest))
            if request["do"] == "revive":
                server.revive()
            return {"address": server.address()}
        except StudentError as error:
            return {"error": str(error), "lasting": error.lasting}

    def stop(self) -> None:
        """End all servers that were started, and the broker."""
        with self._lock:
            processes, broker = list(self._processes.values()), self._broker
            self._broker = None
        for process in processes:
            process.stop()
        if broker is not None:
            broker.close()

    def _model_file(self, digest: object) -> ModelFile | None:
        """Return the file of a model, which a worker can name only by its digest, so that it cannot have any other file
        served.
        """
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{16,64}", digest):
            return None
        return lambda: model_path(self._root, digest)


class BrokerClient:
    """The servers of a run, as a worker gets them. ``path`` is the broker's socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def of(self, student: str, model: ModelFile | None = None) -> Server:
        """Return the server of a student."""
        return _RemoteServer(self._path, student, model)

    def stop(self) -> None:
        """Do nothing, because the controller ends the servers."""


def model_path(root: Path, digest: str) -> Path:
    """Return the path of a model that was made for a run."""
    return root / HOME / "models" / f"{digest}.gguf"


class _RemoteServer:
    """One server, which is accessed through the broker."""

    def __init__(self, path: str, student: str, model: ModelFile | None) -> None:
        self._path = path
        self._student = student
        self._model = model
        self._address: str | None = None

    def address(self) -> str:
        if self._address is None:
            self._address = self._request("address")
        return self._address

    def revive(self) -> None:
        self._address = None
        self._address = self._request("revive")

    def _request(self, do: str) -> str:
        request = {"student": self._student, "do": do, "model": self._model().stem if self._model else None}
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                connection.sendall(json.dumps(request).encode() + b"\n")
                response = json.loads(connection.makefile().readline())
        except (OSError, ValueError):
            raise StudentError(f"student '{self._student}': the run was ended before its server could answer") from None
        if "error" in response:
            raise StudentError(response["error"], lasting=bool(response.get("lasting")))
        return str(response["address"])


class _Broker:
    """Serves each request in a separate thread, on a socket that only this user can access."""

    def __init__(self, respond: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        short = len(tempfile.gettempdir()) < LONGEST_FOLDER
        self._folder = tempfile.TemporaryDirectory(prefix="upskill-", dir=None if short else "/tmp")
        self.path = f"{self._folder.name}/broker"

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    response = respond(json.loads(self.rfile.readline()))
                    self.wfile.write(json.dumps(response).encode() + b"\n")

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
        with contextlib.suppress(OSError):
            self._folder.cleanup()
