"""The language ``python``: see ``languages.base.Language``."""

from __future__ import annotations

import json
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.devices.base import Machine
from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.python import SOURCE_NAME, mutants
from pytest_upskill.languages.python.executor import PythonExecutor
from pytest_upskill.languages.python.server import WorkerServer
from pytest_upskill.records import Build, CallLayout
from pytest_upskill.sandbox.confinement import Confinement
from pytest_upskill.sandbox.message_process import Limits

_FILE = "kernel.json"


class PythonLanguage:
    """Functions of torch, on the cpu only. Nothing is compiled: a build is one file."""

    name = "python"
    source_name = SOURCE_NAME
    devices = ("cpu",)
    compiles = False
    checks = ("runs", "correct", "deterministic", "inputs")

    def __init__(self) -> None:
        self._cache = Cache()
        self._lock = threading.Lock()
        self._servers: dict[Confinement, WorkerServer] = {}

    def identity(self) -> str:
        return f"python {sys.version}"

    def build(self, sources: Mapping[str, str], entry: str, machine: Machine, *, checked: bool = True) -> Build:
        """``entry`` is JSON: ``name``, ``results`` (names), ``forbid`` (operators) and ``vectorised``."""
        plain = {"source": sources[self.source_name], "source_name": self.source_name, "entry": json.loads(entry)}
        text = json.dumps(plain)

        def make(folder: Path) -> Made:
            (folder / _FILE).write_text(text, encoding="utf-8")
            return Made(Facts())

        kept = self._cache.get(key_of("python", text), make)
        return Build(library=kept.folder / _FILE, cached=not kept.fresh)

    def execute(self, build: Build, layout: CallLayout, machine: Machine, timeout: float) -> PythonExecutor:
        assert build.library is not None
        confinement = machine.confinement
        with self._lock:
            server = self._servers.setdefault(confinement, WorkerServer(confinement))
        return PythonExecutor(build.library, server, Limits(seconds=timeout), filtered=confinement.filtered)

    def mutants(self, source: str, count: int, seed: int) -> Sequence[SourceMutant]:
        return mutants.source_mutants(source, count, seed)

    def line_to_show(self, source: str, output: str | None) -> tuple[int, str] | None:
        """None: no line of a function of tensors writes single elements."""

    def same_code(self, original: Build, mutant: Build, *, in_body: bool) -> bool:
        libraries = [build.library for build in (original, mutant) if build.library is not None]
        sources = [json.loads(library.read_text(encoding="utf-8"))["source"] for library in libraries]
        known = [fingerprint(source) for source in sources]
        return len(known) == 2 and known[0] is not None and known[0] == known[1]


def fingerprint(source: str) -> object:
    """A value that is equal for sources of equal bytecode, whatever their line numbers; None for a syntax error."""
    try:
        return _of(compile(source, "kernel.py", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _of(code: types.CodeType) -> tuple[object, ...]:
    # By repr, because 0.0 == -0.0 and 1 == True.
    constants = tuple(_of(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags
