"""The process in which an untrusted case's Python runs: starts and confines it, exchanges messages with it, ends it.

Knows the form of messages (``reference_messages``), not their meaning. The process sees no network, no home directory,
no environment, and no file but the interpreter, torch and this package; it can write nothing and start nothing.
Sandboxes do not nest: this one is a sibling of the kernel's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import torch

from pytest_upskill.errors import SandboxError
from pytest_upskill.oracle import reference_answers
from pytest_upskill.oracle.reference_answers import Header, Nonsense
from pytest_upskill.oracle.reference_messages import HEADER_BYTES, LENGTH, NONCE_BYTES, READY, Plain
from pytest_upskill.sandbox import seccomp, system_call_filters
from pytest_upskill.sandbox.confinement import ENVIRONMENT, INSTALL, Confinement, Resources, python, python_paths
from pytest_upskill.sandbox.message_process import ByteStreamProcess, Unanswered

PACKAGE = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).resolve().with_name("reference_worker.py")

_NEEDED = ("torch", "numpy", "typing_extensions")
"""Packages whose folders in sys.path the process must read; what else torch needs lies beside them."""

_NUMERIC = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that change the last bits of results: the process inherits them."""

_ADDRESS_SPACE = 1 << 40
"""Before torch is loaded; the process lowers it before it gets a case."""

_TORCH_BYTES = 8 << 30
"""Address space of a process with torch, if /proc does not give ours."""

_FILE_BYTES = 1 << 20
Answer = tuple[Header, list[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """Seconds to load torch, for each message, and of processor time in all; bytes of memory beyond torch itself, of
    what it may print during one message, and of one answer.
    """

    start_seconds: float = 120.0
    seconds: float = 60.0
    cpu_seconds: int = 1800
    memory: int = 4 << 30
    output_bytes: int = 1 << 20
    answer_bytes: int = 1 << 29


DEFAULT_LIMITS = ReferenceLimits()


class ReferenceProcess:
    """One process for the references of one author, started at once (it takes seconds to load torch), and again after
    ``stop``. For one thread at a time.

    Raises SandboxError if ``confinement`` hides too little, or the process does not start.
    """

    def __init__(self, confinement: Confinement, limits: ReferenceLimits = DEFAULT_LIMITS) -> None:
        if not hides_enough(confinement):
            raise SandboxError(
                "the case is not trusted, and the confinement here does not hide files and the network from its "
                f"reference: {confinement.level} (it has {', '.join(confinement.parts) or 'limits only'}); "
                f"{INSTALL}, or read the case and run 'upskill-gen accept' on its skill"
            )
        self.limits, self._confinement = limits, confinement
        self.holds: object = None
        """The runner whose case the process holds."""
        self._serves = False
        self._process: ByteStreamProcess | None = self._start()

    def ask(self, request: Plain) -> Answer:
        """Header and tensors of the answer to one message. Raises Nonsense, Unanswered, SandboxError."""
        process = self._ready()
        if process.has_unread():
            raise Nonsense("it came before its request")
        nonce = secrets.token_bytes(NONCE_BYTES)
        deadline = process.begin(self.limits.seconds)
        text = json.dumps({**request, "nonce": nonce.hex()}).encode()
        process.send(LENGTH.pack(len(text)) + text, deadline)
        frame = process.receive(NONCE_BYTES + LENGTH.size, deadline)
        if not secrets.compare_digest(bytes(frame[:NONCE_BYTES]), nonce):
            raise Nonsense("it does not belong to the request")
        (size,) = LENGTH.unpack(frame[NONCE_BYTES:])
        if size > HEADER_BYTES:
            raise Nonsense(f"its header has {size} bytes, more than the limit of {HEADER_BYTES}")
        header = reference_answers.read_header(process.receive(size, deadline))
        listed = reference_answers.read_tensor_headers(header, self.limits.answer_bytes)
        pieces = [(one, process.receive(reference_answers.nbytes(one), deadline)) for one in listed]
        return header, [reference_answers.tensor_of(one, data) for one, data in pieces]

    @property
    def serves(self) -> bool:
        """Whether there is a process that is ready for a message."""
        return self._serves

    def stop(self) -> None:
        """End the process, if there is one; the next request starts another."""
        self._serves, self.holds = False, None
        if self._process is not None:
            self._process.end()
            self._process = None

    def _start(self) -> ByteStreamProcess:
        paths = _import_paths()
        plan = {
            "paths": [str(path) for path in paths],
            "package": str(PACKAGE),
            "memory": self.limits.memory,
            "address_space": seccomp.address_space() or _TORCH_BYTES,
            "filter": system_call_filters.for_kernels(),
            "filtered": self._confinement.filtered,
        }
        numeric = {name: os.environ[name] for name in _NUMERIC if name in os.environ}
        return ByteStreamProcess(
            lambda channel: [python(), "-I", "-S", "-B", str(WORKER), str(channel), json.dumps(plan)],
            self._confinement,
            readable=(*python_paths(), PACKAGE, WORKER, *paths),
            environment={**ENVIRONMENT, **numeric, "OMP_NUM_THREADS": "1"},
            resources=Resources(self.limits.cpu_seconds, _ADDRESS_SPACE, _FILE_BYTES),
            output_bytes=self.limits.output_bytes,
        )

    def _ready(self) -> ByteStreamProcess:
        """The process, once it serves. No code of the case runs before that, so a failure is the machine's."""
        if self._process is not None and self._serves:
            return self._process
        process = self._process = self._process or self._start()
        try:
            said = process.receive(len(READY), process.begin(self.limits.start_seconds))
            problem = "" if said == READY else "it sent something else"
        except Unanswered as error:
            problem = f"{error.detail or error.cause}; {process.printed()}"
        if problem:
            self.stop()
            advice = "check that the files of Python, torch and pytest-upskill can be read, and that memory is left"
            raise SandboxError(f"the process for untrusted references did not start: {problem}; {advice}")
        self._serves = True
        return process


def hides_enough(confinement: Confinement) -> bool:
    """Whether an untrusted reference may run so confined: files and the network are out of its reach."""
    by_kernel = confinement.level == "kernel" and {"landlock", "filter"} <= set(confinement.parts)
    return confinement.level == "bubblewrap" or by_kernel


def _import_paths() -> tuple[Path, ...]:
    """The entries of sys.path where torch and what it needs lie."""
    found = []
    for name in _NEEDED:
        if (spec := importlib.util.find_spec(name)) is not None and spec.origin:
            origin = Path(spec.origin)
            found.append(origin.parent.parent if spec.submodule_search_locations else origin.parent)
    return tuple(dict.fromkeys(found))
