"""Starts, confines and ends the process in which an untrusted case's Python runs, and exchanges messages with it.

This module knows the form of the messages (``reference_messages``), not their meaning. The process has no network, no
home directory and no environment variables, except a few that affect numbers. It can read no files except those of the
interpreter, torch and this package. It can write no files and start no programs. Sandboxes do not nest, so this sandbox
and the kernel's sandbox are separate processes side by side.
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
"""The process may read the folders in sys.path with these packages, which contain torch's other dependencies, too."""

_NUMERIC = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""The process inherits these environment variables, because they change the last bits of results."""

_ADDRESS_SPACE = 1 << 40
"""The limit on the process's address space (bytes) while torch is loaded. The process lowers it before a case comes."""

_TORCH_BYTES = 8 << 30
"""The assumed address space (bytes) of a process with torch, if /proc does not say how much this process uses."""

_FILE_BYTES = 1 << 20
Answer = tuple[Header, list[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """Limits of a process for references.

    In seconds: the time to load torch, the time for each message, and all processor time. In bytes: the memory beyond
    what torch itself takes, the output that may be printed during one message, and the size of one answer.
    """

    start_seconds: float = 120.0
    seconds: float = 60.0
    cpu_seconds: int = 1800
    memory: int = 4 << 30
    output_bytes: int = 1 << 20
    answer_bytes: int = 1 << 29


DEFAULT_LIMITS = ReferenceLimits()


class ReferenceProcess:
    """A process for the references of one author. Only one thread may use it at a time.

    The process is started at once, because it takes seconds to load torch. After ``stop``, the next message starts it
    again. Raises SandboxError if ``confinement`` hides too little, or if the process does not start.
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
        """Send a message and return the header and the tensors of the answer.

        Raises Nonsense, Unanswered, SandboxError.
        """
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
        """End the process if it runs. The next message starts another process."""
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
        """Wait until the process serves, and return it.

        No code of a case runs before that, so a failure is a failure of the machine.
        """
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
    """Whether ``confinement`` is enough for an untrusted reference: it must hide files and the network."""
    by_kernel = confinement.level == "kernel" and {"landlock", "filter"} <= set(confinement.parts)
    return confinement.level == "bubblewrap" or by_kernel


def _import_paths() -> tuple[Path, ...]:
    """The entries of sys.path that contain torch and its dependencies."""
    found = []
    for name in _NEEDED:
        if (spec := importlib.util.find_spec(name)) is not None and spec.origin:
            origin = Path(spec.origin)
            found.append(origin.parent.parent if spec.submodule_search_locations else origin.parent)
    return tuple(dict.fromkeys(found))
