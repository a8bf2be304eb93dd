"""Runs the Python of an untrusted case in a confined process of its own. None of it runs here, and no pickle is read.

The process starts at once, without being waited for: it takes seconds to load torch. One message is one example, so
that what comes back is a call with its expectations; the process may lie about these numbers, for its own case, and
about nothing else. It sees no network, no home directory, no environment, and no file but the interpreter, torch and
this package; it can write nothing and start nothing.

Sandboxes do not nest: this one is a sibling of the kernel's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.plain_case import to_plain
from pytest_upskill.errors import CaseError, SandboxError
from pytest_upskill.oracle import exact, reference_answers
from pytest_upskill.oracle.prepare import GivenUp, Prepared
from pytest_upskill.oracle.reference_answers import Header, Nonsense
from pytest_upskill.oracle.reference_messages import (
    HEADER_BYTES,
    LENGTH,
    NONCE_BYTES,
    READY,
    example_to_plain,
    layout_to_plain,
)
from pytest_upskill.oracle.shapes import OutputSize
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import CallLayout, Example, ResultFacts
from pytest_upskill.sandbox.byte_stream_process import ByteStreamProcess, Unanswered
from pytest_upskill.sandbox.confinement import ENVIRONMENT, INSTALL, Confinement, Resources, python, python_paths

PACKAGE = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).resolve().with_name("reference_worker.py")

_NEEDED = ("torch", "numpy", "typing_extensions")
"""Packages whose folders in sys.path the process must read; what else torch needs lies beside them."""

_NUMERIC = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that change results in their last bits, and must be the same on both sides."""

_ADDRESS_SPACE = 1 << 40
"""Before torch is loaded; the process lowers it by itself before it sees a case."""

_FILE_BYTES = 1 << 20
_NONSENSE = (
    "gave an answer that cannot be used: {}; a reference may compute and return tensors, and must leave modules, "
    "threads and descriptors alone"
)

Plain = dict[str, Any]
Answer = tuple[Header, list[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """Of one reference: seconds to load torch, for each message, and of processor time in all; the rest in bytes.

    ``memory`` is what it may take beyond torch itself, ``output_bytes`` what it may print, and ``answer_bytes`` what
    it may send, in one message.
    """

    start_seconds: float = 120.0
    seconds: float = 60.0
    cpu_seconds: int = 1800
    memory: int = 4 << 30
    output_bytes: int = 1 << 20
    answer_bytes: int = 1 << 29


DEFAULT_LIMITS = ReferenceLimits()


class SandboxedReference:
    """A ``ReferenceRunner`` whose case's Python runs in a sandbox. For one thread at a time.

    Raises SandboxError where ``confinement`` hides too little, or the process does not start.
    """

    def __init__(self, case: Case, confinement: Confinement, limits: ReferenceLimits = DEFAULT_LIMITS) -> None:
        self.case = case
        self.layout: CallLayout | None = None
        self._confinement, self._limits = confinement, limits
        self._refuse_weak()
        self._serves = self._loaded = False
        self._deaths = 0
        self._fault: CaseError | None = None
        self._process: ByteStreamProcess | None = self._start()

    # ------------------------------------------------------------------------------------- what a runner does

    def results(self) -> ResultFacts:
        """Dtypes and shapes of the operator's results."""
        header, _ = self._ask({"ask": "results"}, "on the smallest sizes")
        with self._checked():
            return reference_answers.read_results(self.case, header)

    @cached_property
    def outputs(self) -> OutputSize:
        """How large the outputs are, roughly, for any sizes."""
        header, _ = self._ask({"ask": "outputs"}, "on small sizes")
        with self._checked():
            return reference_answers.read_outputs(self.case, header)

    @cached_property
    def _linear(self) -> bool:
        header, _ = self._ask({"ask": "linear"}, "on whole numbers")
        with self._checked():
            return reference_answers.read_linear(header)

    def linear(self, dtype: str) -> bool:
        """Whether examples of whole numbers can be held to the exact result, where this dtype is tried."""
        return bool(exact.floating(self.case, dtype)) and self._linear

    def prepare(self, example: Example) -> Prepared | GivenUp:
        """A call, and what must come back from it."""
        if self.layout is None:
            raise ValueError("examples are prepared for a layout: set 'layout' first")
        example = complete(self.case, example)
        request = {"ask": "prepare", "layout": layout_to_plain(self.layout), "example": example_to_plain(example)}
        header, tensors = self._ask(request, f"on {example}")
        with self._checked():
            return reference_answers.read_prepared(self.case, self.layout, example, header, tensors)

    def other_results(self, example: Example) -> Mapping[str, torch.Tensor]:
        """The exact results of other inputs of the same sizes, by output."""
        request = {"ask": "others", "example": example_to_plain(example)}
        header, tensors = self._ask(request, f"on other inputs than {example}")
        with self._checked():
            return reference_answers.read_others(self.case, header, tensors)

    def close(self) -> None:
        """Ends the process; may be called again."""
        self._stop()

    # ------------------------------------------------------------------------------------- asking

    def _ask(self, request: Plain, circumstances: str) -> Answer:
        """Header and tensors of an answer. A fault of the process, unlike an error that it tells of, is final.

        A process that ended is started again once: an honest reference may have met somebody else's shortage of memory.
        Raises CaseError, SandboxError.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return self._answer(request)
        except Unanswered as error:
            self._deaths += error.cause == "ended"
            self._stop()
            if error.cause == "ended" and self._deaths == 1:
                return self._ask(request, circumstances)
            raise self._broken(self._why(error, circumstances)) from None
        except Nonsense as error:
            raise self._broken(_NONSENSE.format(error)) from None
        except (CaseError, SandboxError):
            raise
        except BaseException:  # an interrupt leaves half an answer in the stream
            self._stop()
            raise

    def _answer(self, request: Plain) -> Answer:
        """Header and tensors; the process is made ready, and given the case, where it was not."""
        process = self._ready()
        if not self._loaded:
            self._tell(process, {"ask": "case", "case": to_plain(self.case)})
            self._loaded = True
        return self._tell(process, request)

    def _tell(self, process: ByteStreamProcess, request: Plain) -> Answer:
        """One message and its answer. Raises Nonsense, Unanswered, and the CaseError that it tells of."""
        if process.has_unread():
            raise Nonsense("it came before it was asked for")
        nonce = secrets.token_bytes(NONCE_BYTES)
        deadline = process.begin(self._limits.seconds)
        text = json.dumps({**request, "nonce": nonce.hex()}).encode()
        process.send(LENGTH.pack(len(text)) + text, deadline)
        frame = process.receive(NONCE_BYTES + LENGTH.size, deadline)
        if not secrets.compare_digest(bytes(frame[:NONCE_BYTES]), nonce):
            raise Nonsense("it does not belong to what was asked")
        (size,) = LENGTH.unpack(frame[NONCE_BYTES:])
        if size > HEADER_BYTES:
            raise Nonsense(f"its header has {size} bytes, more than the limit of {HEADER_BYTES}")
        header = reference_answers.read_header(process.receive(size, deadline))
        error = reference_answers.read_error(self.case, header)
        if error is not None:
            raise error
        listed = reference_answers.read_tensor_headers(header, self._limits.answer_bytes)
        pieces = [(one, process.receive(reference_answers.nbytes(one), deadline)) for one in listed]
        return header, [reference_answers.tensor_of(one, data) for one, data in pieces]

    # ------------------------------------------------------------------------------------- what went wrong

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """What makes no sense ends the process, and the case with it."""
        try:
            yield
        except Nonsense as error:
            raise self._broken(_NONSENSE.format(error)) from None

    def _broken(self, what: str) -> CaseError:
        """The fault that every later request meets as well, without a process."""
        self._stop()
        line = self.case.reference.line if self.case.reference else None
        self._fault = CaseError(f"case '{self.case.name}': the reference {what}", self.case.path, line)
        return self._fault

    def _why(self, error: Unanswered, circumstances: str) -> str:
        limits = self._limits
        if error.cause == "timeout":
            return (
                f"did not finish within {limits.seconds:g} s ({circumstances}); "
                "make it faster, or allow smaller sizes in 'dims'"
            )
        if error.cause == "flood":
            return f"printed more than the limit of {limits.output_bytes} bytes ({circumstances}); let it print nothing"
        return (
            f"ended its process twice, with {error.detail} ({circumstances}); it may use {limits.memory >> 20} MiB "
            f"and {limits.cpu_seconds} s of processor time, and must return: remove what exits or crashes"
        )

    # ------------------------------------------------------------------------------------- the process

    def _refuse_weak(self) -> None:
        """Nothing untrusted runs where files and the network are open to it."""
        level = self._confinement
        hidden = level.level == "bubblewrap" or (level.level == "kernel" and {"landlock", "filter"} <= set(level.parts))
        if not hidden:
            raise SandboxError(
                f"case '{self.case.name}' is not trusted, and the confinement here does not hide files and the network "
                f"from its reference: {level.level} (it has {', '.join(level.parts) or 'limits only'}); "
                f"{INSTALL}, or trust the case"
            )

    def _start(self) -> ByteStreamProcess:
        paths = _import_paths()
        plan = {
            "paths": [str(path) for path in paths],
            "package": str(PACKAGE),
            "memory": self._limits.memory,
            "filter": self._confinement.filtered,
        }
        numeric = {name: os.environ[name] for name in _NUMERIC if name in os.environ}
        return ByteStreamProcess(
            lambda channel: [python(), "-I", "-S", "-B", str(WORKER), str(channel), json.dumps(plan)],
            self._confinement,
            readable=(*python_paths(), PACKAGE, WORKER, *paths),
            environment={**ENVIRONMENT, **numeric, "OMP_NUM_THREADS": "1"},
            resources=Resources(self._limits.cpu_seconds, _ADDRESS_SPACE, _FILE_BYTES),
            output_bytes=self._limits.output_bytes,
        )

    def _ready(self) -> ByteStreamProcess:
        """The process, once it serves. Nothing of the case's has run before that: a failure is the machine's."""
        if self._process is not None and self._serves:
            return self._process
        process = self._process = self._process or self._start()
        try:
            said = process.receive(len(READY), process.begin(self._limits.start_seconds))
            problem = "" if said == READY else "it sent something else"
        except Unanswered as error:
            problem = f"{error.detail or error.cause}; {process.printed()}"
        if problem:
            self._stop()
            raise SandboxError(
                f"the process for untrusted references did not start: {problem}; "
                "check that the files of Python, torch and pytest-upskill can be read, and that memory is left"
            )
        self._serves = True
        return process

    def _stop(self) -> None:
        self._loaded = self._serves = False
        if self._process is not None:
            self._process.end()
            self._process = None


def _import_paths() -> tuple[Path, ...]:
    """The entries of sys.path where torch and what it needs lie."""
    found = []
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            origin = Path(spec.origin)
            found.append(origin.parent.parent if spec.submodule_search_locations else origin.parent)
    return tuple(dict.fromkeys(found))
