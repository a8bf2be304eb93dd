"""What to start for a student, and where it will answer. Starts nothing."""

from __future__ import annotations

import importlib.util
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
"""What ``serve`` may say instead of a command: ``auto`` takes llama-server where it is installed, else ``embedded``,
llama.cpp from the extra ``[llama]`` with a model from the Hub; ``demo`` is the built-in student's own.
"""

PORT = "{port}"
"""Stands in a command for a free port."""
SLOTS = 2
"""Questions that a server of ours answers at once, where the student's ``concurrency`` says nothing."""
ROOM = 16384
"""Tokens that a slot holds beside the longest reply: the skill, the task, and the turns."""
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Plan:
    """``command`` starts a server that will answer at ``base_url``; ``health`` is a URL that answers 200 when it can.

    What it prints goes to ``log``.
    """

    student: str
    command: tuple[str, ...]
    base_url: str
    health: str
    log: Path


def is_wanted(config: StudentConfig, asked_for: bool) -> bool:
    """Whether a server is to be started: the student names one, or the user ``asked_for`` those of llama.cpp."""
    if config.serve is None and not (asked_for and config.provider == "llama.cpp"):
        return False
    return config.base_url is None or urlsplit(config.base_url).hostname in _HERE


def existing(config: StudentConfig) -> Plan | None:
    """Where a server may be running already, with nothing to start; None where only we would know its port."""
    if config.serve == DEMO or PORT in (config.serve or "") or config.base_url is None:
        return None
    return Plan(config.name, (), config.base_url, _health(config, config.base_url), Path())


def make(config: StudentConfig, root: Path, model: Path | None = None) -> Plan:
    """The plan for a student. ``root`` is pytest's rootdir; ``model`` is a file to serve instead of the one it names.

    Raises StudentError where nothing that could serve it is installed.
    """
    port = _port(config)
    base_url = f"http://127.0.0.1:{port}/v1" if _is_free(config) else config.base_url or DEFAULT_LLAMA_URL
    return Plan(
        student=config.name,
        command=_command(config, port, model),
        base_url=base_url,
        health=_health(config, base_url),
        log=root / HOME / "serve" / f"{component(config.name)}.log",
    )


def _is_free(config: StudentConfig) -> bool:
    """Whether the port is ours to choose."""
    if PORT in (config.serve or ""):
        return True
    ours = config.serve is None or config.serve in WORDS
    return ours and config.base_url in (None, DEFAULT_LLAMA_URL)


def _port(config: StudentConfig) -> int:
    if _is_free(config):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])
    return urlsplit(config.base_url or DEFAULT_LLAMA_URL).port or 80


def _health(config: StudentConfig, base_url: str) -> str:
    """llama.cpp says when its model is loaded; of any other server, a list of models is all we can ask for."""
    return f"{base_url.removesuffix('/v1')}/health" if config.provider == "llama.cpp" else f"{base_url}/models"


def _command(config: StudentConfig, port: int, model: Path | None) -> tuple[str, ...]:
    serve = config.serve or AUTO
    if serve not in WORDS:
        return tuple(word.replace(PORT, str(port)) for word in _words(config, serve))
    slots = config.concurrency or SLOTS
    context = (config.max_tokens + ROOM) * slots
    program = shutil.which("llama-server")
    if serve == AUTO and program is not None:
        where = ("--host", "127.0.0.1", "--port", str(port))
        return (program, "-hf", config.model, *where, "-c", str(context), "-np", str(slots), "--alias", config.model)
    if importlib.util.find_spec("xllamacpp") is None:
        raise StudentError(
            f"student '{config.name}': neither llama-server nor the package 'xllamacpp' is installed; "
            f"install one of them, such as: pip install 'pytest-upskill[llama]'",
            lasting=True,
        )
    source = ("--model", str(model)) if model else ("--hub", config.model)
    limits = ("--port", str(port), "--context", str(context), "--slots", str(slots))
    return (sys.executable, "-m", "pytest_upskill.students.serving.embedded", *source, "--alias", config.model, *limits)


def _words(config: StudentConfig, serve: str) -> list[str]:
    try:
        return shlex.split(serve)
    except ValueError as error:
        raise StudentError(
            f"[tool.upskill.students.{config.name}]: serve = {serve!r}: {error}; write a command as a shell reads it",
            lasting=True,
        ) from None
