"""The plan for a student's server: the command that starts it, and the address at which it will answer."""

import contextlib
import importlib.util
import secrets
import shlex
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pytest_upskill.errors import StudentError
from pytest_upskill.paths import HOME, component
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.builtin import DEFAULT_LLAMA_URL

AUTO, EMBEDDED, DEMO = "auto", "embedded", "demo"
WORDS = (AUTO, EMBEDDED, DEMO)
"""The values of ``serve`` that are not commands.

``auto`` is llama-server if it is installed, else ``embedded``. ``embedded`` is llama.cpp from the extra ``[llama]``,
with a model from the Hub. ``demo`` is for the built-in student.
"""
PORT = "{port}"
"""The text in a command that is replaced by a free port."""
SLOTS = 2
"""The number of slots of a server that we start, if the student gives no ``concurrency``."""
ROOM = 16384
"""The size of a slot in tokens, in addition to the longest reply: for the skill, the task, and the turns."""
_PORTS, _TRIES = range(20000, 32768), 100
"""Ports below those that Linux gives to clients, and how many of them are tried."""
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Plan:
    """``command`` starts a server that answers at ``base_url`` and prints to ``log``.

    The URL ``health`` has status 200 once the server is ready.
    """

    command: tuple[str, ...]
    base_url: str
    health: str
    log: Path


def is_wanted(config: StudentConfig, asked_for: bool) -> bool:
    """Return whether a server is to be started on this machine for a student.

    Either the student's table has ``serve``, or the user ``asked_for`` servers of llama.cpp students.
    """
    if config.serve is None and not (asked_for and config.provider == "llama.cpp"):
        return False
    return config.base_url is None or urlsplit(config.base_url).hostname in _HERE


def existing(config: StudentConfig) -> Plan | None:
    """Return the plan, without a command, of a server that may be running already.

    None if the server's port is only chosen when it is started.
    """
    if config.serve == DEMO or PORT in (config.serve or "") or config.base_url is None:
        return None
    return Plan((), config.base_url, _health(config, config.base_url), Path())


def make(config: StudentConfig, root: Path, model: Path | None = None) -> Plan:
    """Return the plan for a student. ``root`` is pytest's rootdir; ``model`` is a file to serve instead of its model.

    Raises StudentError if no program that could serve it is installed.
    """
    ours = config.serve is None or config.serve in WORDS
    base_url = config.base_url or DEFAULT_LLAMA_URL
    if PORT in (config.serve or "") or (ours and base_url == DEFAULT_LLAMA_URL):  # we choose the port
        port = _free_port()
        base_url = f"http://127.0.0.1:{port}/v1"
    else:
        port = urlsplit(base_url).port or 80
    log = root / HOME / "serve" / f"{component(config.name)}.log"
    return Plan(_command(config, port, model), base_url, _health(config, base_url), log)


def _free_port() -> int:
    """Return a free port that no client of another program is given before the server takes it."""
    for port in (*(secrets.choice(_PORTS) for _ in range(_TRIES)), 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StudentError("no port of 127.0.0.1 is free for a server; end some programs", lasting=True)


def _health(config: StudentConfig, base_url: str) -> str:
    """Return the URL that shows whether a server is ready.

    llama.cpp reports when its model is loaded. Any other server can only be asked for its models.
    """
    return f"{base_url.removesuffix('/v1')}/health" if config.provider == "llama.cpp" else f"{base_url}/models"


def _command(config: StudentConfig, port: int, model: Path | None) -> tuple[str, ...]:
    serve = config.serve or AUTO
    if serve not in WORDS:
        try:
            return tuple(word.replace(PORT, str(port)) for word in shlex.split(serve))
        except ValueError as error:
            place = f"[tool.upskill.students.{config.name}]: serve = {serve!r}"
            raise StudentError(f"{place}: {error}; write a command as a shell reads it", lasting=True) from None
    slots = config.concurrency or SLOTS
    context = (config.max_tokens + ROOM) * slots
    program = shutil.which("llama-server")
    if serve == AUTO and program is not None:
        where = ("--host", "127.0.0.1", "--port", str(port))
        return (program, "-hf", config.model, *where, "-c", str(context), "-np", str(slots), "--alias", config.model)
    if importlib.util.find_spec("xllamacpp") is None:
        problem = "neither llama-server nor the package 'xllamacpp' is installed"
        advice = "install one of them, such as: pip install 'pytest-upskill[llama]'"
        raise StudentError(f"student '{config.name}': {problem}; {advice}", lasting=True)
    source = ("--model", str(model)) if model else ("--hub", config.model)
    limits = ("--port", str(port), "--context", str(context), "--slots", str(slots))
    return (sys.executable, "-m", "pytest_upskill.students.serving.embedded", *source, "--alias", config.model, *limits)
