"""What the rooms hand each other: frozen, plain data. Knows no room but ``errors``.

Dtypes are PyTorch's names without the prefix ("float16"), sizes are in elements or bytes as named, times in seconds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

SCHEMA = 1
"""Version of the JSON report."""


class VerdictKind(StrEnum):
    """How an item ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE_ERROR = "infrastructure-error"
    BUDGET_STOPPED = "budget-stopped"


class ItemKind(StrEnum):
    """What an item is about."""

    KERNEL = "kernel"
    TEXT = "text"
    SPEC = "spec"
    MUTANTS = "mutants"
    BROKEN_CASE = "broken-case"


# --------------------------------------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn of a conversation: what the student answered, and what it was told of it.

    ``read`` are the files of the skill that it read before it answered, in order.
    """

    answer: str
    told: str
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a student is sent: a system text, a user text, and the turns that followed upon them.

    ``files`` are those that it may read through a tool, by their path in the skill's folder; empty: there is no tool.
    """

    system: str
    user: str
    earlier: tuple[Exchange, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash (hex) of all that can reach the student: a reply that was kept is good for this prompt alone."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and what it is asked for. ``arm`` is already slugged for file names."""

    skill: str
    case: str
    arm: str
    trial: int
    prompt: Prompt

    @property
    def turn(self) -> int:
        """1 for the first question of a conversation."""
        return len(self.prompt.earlier) + 1

    @property
    def file_name(self) -> str:
        """``rms_norm.skill.md``, ``rms_norm.skill-2.md`` for the second trial: the layout of the files student."""
        return reply_file_name(self.case, self.arm, self.trial, self.turn)


def reply_file_name(case: str, arm: str, trial: int, turn: int = 1) -> str:
    """The name of the file that holds a reply (or a prompt) in a folder of replies."""
    return f"{case}.{arm}" + (f"-{trial}" if trial > 1 else "") + (f".turn{turn}" if turn > 1 else "") + ".md"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Counted by the server: ``input`` includes ``cached``, and ``written``, what it put into its cache at a price."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.written + other.written,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A student's answer. ``text`` is without what the server set apart as reasoning."""

    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    seconds: float = 0.0
    model: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


# --------------------------------------------------------------------------------------------- kernel and build


@dataclass(frozen=True, slots=True)
class Kernel:
    """The source that a reply holds, exactly as written; ``line`` is where it starts in the reply (1-based)."""

    source: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class KernelResources:
    """What one ``__global__`` function takes up on one architecture of GPUs: registers of a thread, the rest in bytes.

    ``stack``, ``spill_stores`` and ``spill_loads`` are of a thread, ``shared`` is the static shared memory of a block.
    """

    name: str
    architecture: str
    registers: int
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled kernel, or the compiler's word on why there is none (``library`` is None then)."""

    library: Path | None
    message: str = ""
    compilers: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    kernels: tuple[KernelResources, ...] = ()
    """Known of builds for a GPU alone."""
    violations: tuple[str, ...] = ()
    """What the built object calls or defines that the contract forbids; it runs all the same."""
    needs: str = ""
    """Why it was not even tried: what the kernel needs that the device does not have, with the line."""

    @property
    def ok(self) -> bool:
        return self.library is not None


# --------------------------------------------------------------------------------------------- running


Role = Literal["input", "output", "inplace"]


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A contiguous tensor for a call. ``data`` is its bytes (any buffer), None for an output."""

    name: str
    role: Role
    dtype: str
    shape: tuple[int, ...]
    data: Any = None

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        return self.elements * ITEM_SIZE[self.dtype]


@dataclass(frozen=True, slots=True)
class ScalarArgument:
    """A scalar or a dim for a call; ``ctype`` is ``float``, ``int64_t`` or ``bool``."""

    name: str
    ctype: str
    value: float | int | bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel: which instantiation (index into the signature's dtypes), and the arguments in order."""

    instantiation: int
    arguments: tuple[TensorArgument | ScalarArgument, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the device or the driver saw, whatever the values: it fails ``assertion``.

    ``line`` is the line of the student's kernel (1-based), where it is known.
    """

    assertion: Literal["runs", "memory", "inputs", "deterministic"]
    kind: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call. Any finding for ``runs`` means that ``outputs`` cannot be trusted, or are absent.

    ``outputs`` maps the name of each output and in-place tensor to its bytes.
    """

    outputs: Mapping[str, bytes | bytearray | memoryview]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    device_memory: int = 0
    """The most device memory (bytes) that was seen in use during the call, tensors included; 0 where it is unknown."""
    launches: int = 0
    """Kernels that the launcher launched, as far as the device saw."""
    copied_back: int = 0
    """Bytes of device memory that the launcher copied to the host."""
    reached: bool = True
    """False where the device could not even be made ready for the call, so that the kernel had no part in it."""

    @property
    def ran(self) -> bool:
        return not any(finding.assertion == "runs" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a launcher was seen to do, over all calls of a cell.

    ``calls`` are those that ended in order and had something to compute (an element to write, and one to read unless
    nothing is ever read); of these are ``launches``. ``copied_back`` is the most (bytes) that one call copied to the
    host, ``device_memory`` the most (bytes) in use.
    """

    calls: int = 0
    launches: int = 0
    copied_back: int = 0
    device_memory: int = 0

    def with_call(self, call: Call, answer: Answer) -> Conduct:
        """The same with one more call."""
        tensors = [one for one in call.arguments if isinstance(one, TensorArgument)]
        written = [one for one in tensors if one.role != "input"]
        read = [one for one in tensors if one.role != "output"]
        # The sum of no elements takes a memset, and no kernel.
        counts = answer.ran and all(any(tensor.elements for tensor in some) for some in (written, read) if some)
        return Conduct(
            calls=self.calls + counts,
            launches=self.launches + (answer.launches if counts else 0),
            copied_back=max(self.copied_back, answer.copied_back),
            device_memory=max(self.device_memory, answer.device_memory),
        )


# --------------------------------------------------------------------------------------------- judgement


@dataclass(frozen=True, slots=True)
class Example:
    """Names one set of inputs completely: the same example always draws the same values.

    ``scalars`` holds integer and bool scalars that were drawn on their own; those that are missing come from the seed.
    ``values`` is the family of values; empty means that the seed chooses it.
    """

    dims: Mapping[str, int]
    dtype: str
    seed: int
    values: str = ""
    scalars: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """``rows=1 cols=33 dtype=float16 seed=7``: can be pasted back into ``--upskill-example``."""
        parts = [f"{name}={int(value)}" for name, value in (*self.dims.items(), *self.scalars.items())]
        parts += [f"dtype={self.dtype}", f"seed={self.seed}"]
        if self.values:
            parts.append(f"values={self.values}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Assertion:
    """One named check of an item. ``message`` says why it failed; of a passed one it may hold a note."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The smallest example known to fail ``assertion``, with what a person needs to see.

    ``worst`` describes the element that is furthest off: output, index, expected, got, error, bound (as texts and
    numbers, ready to print). ``line`` is a line of the kernel, where one is to blame.
    """

    assertion: str
    example: Example
    message: str
    worst: Mapping[str, Any] | None = None
    line: int | None = None
    reproducible: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an item ended, and why; ``assertions`` in the order in which they are tried."""

    kind: VerdictKind
    reason: str | None = None
    assertions: tuple[Assertion, ...] = ()
    counterexample: Counterexample | None = None

    @property
    def first_failed(self) -> Assertion | None:
        return next((assertion for assertion in self.assertions if not assertion.passed), None)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where an item's time went."""

    reply: float = 0.0
    build: float = 0.0
    run: float = 0.0


@dataclass(frozen=True, slots=True)
class LivingMutant:
    """A change of a solution that no example told from the original. ``line`` is 1-based, in the case's file.

    ``unseen`` says that every result had the same bits: the two may be equivalent. ``advice``: with what it would die.
    """

    line: int
    change: str
    unseen: bool
    advice: str = ""


@dataclass(frozen=True, slots=True)
class MutationScore:
    """How many mechanical mutants of a solution died, of how many; ``equivalent`` ones (the same machine code) are not
    counted. ``lived`` are those that did not die.
    """

    killed: int
    total: int
    equivalent: int = 0
    lived: tuple[LivingMutant, ...] = ()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> MutationScore:
        """The inverse of ``dataclasses.asdict``."""
        return cls(**{**data, "lived": tuple(LivingMutant(**one) for one in data["lived"])})


@dataclass(frozen=True, slots=True)
class Turn:
    """One try of a conversation: how it was judged, and what it took.

    ``seconds`` are those of the reply, the build and the run together.
    """

    verdict: VerdictKind
    reason: str | None
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is kept of one item: the row of the report."""

    id: str
    kind: ItemKind
    skill: str
    case: str | None
    verdict: Verdict
    student: str | None = None
    arm: str | None = None
    trial: int | None = None
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    seconds: Seconds = Seconds()
    source: str | None = None
    """The kernel that was judged, for the report of a failure."""
    replay: str | None = None
    """The command that runs this item's counterexample, or this item, again."""
    notes: tuple[str, ...] = ()
    """What the summary marks: an overridden tolerance, a reply that was cut off."""
    kernels: tuple[KernelResources, ...] = ()
    """What the kernels take up on the GPU that they were built for; empty on the cpu device."""
    device_memory: int | None = None
    """The most device memory (bytes) that was seen in use during a call; None where it was not measured."""
    score: MutationScore | None = None
    """Of a mutants item: how its solution's mechanical mutants fared; None where there is no solution."""
    turns: tuple[Turn, ...] = ()
    """The tries of a conversation, where more than one was allowed; everything else here is of the last, or the sum."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data, for another process."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Outcome:
        """The inverse of ``to_plain``; raises KeyError or TypeError on data of another shape."""
        verdict = dict(data["verdict"])
        counterexample = verdict["counterexample"]
        if counterexample is not None:
            counterexample = Counterexample(**{**counterexample, "example": Example(**counterexample["example"])})
        rebuilt = Verdict(
            kind=VerdictKind(verdict["kind"]),
            reason=verdict["reason"],
            assertions=tuple(Assertion(**assertion) for assertion in verdict["assertions"]),
            counterexample=counterexample,
        )
        return cls(
            **{
                **data,
                "kind": ItemKind(data["kind"]),
                "verdict": rebuilt,
                "tokens": Tokens(**data["tokens"]),
                "seconds": Seconds(**data["seconds"]),
                "notes": tuple(data["notes"]),
                "score": None if data["score"] is None else MutationScore.from_plain(data["score"]),
                "kernels": tuple(KernelResources(**kernel) for kernel in data["kernels"]),
                "turns": tuple(_turn_from_plain(turn) for turn in data.get("turns", ())),
            }
        )


def _turn_from_plain(data: Mapping[str, Any]) -> Turn:
    return Turn(**{**data, "verdict": VerdictKind(data["verdict"]), "tokens": Tokens(**data["tokens"])})


# --------------------------------------------------------------------------------------------- dtypes

ITEM_SIZE: Mapping[str, int] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "bool": 1,
}
"""Bytes of one element."""

C_TYPE: Mapping[str, str] = {
    "float64": "double",
    "float32": "float",
    "float16": "__half",
    "bfloat16": "__nv_bfloat16",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "bool": "bool",
}
"""The C type that a kernel gets for each dtype."""

FLOATING = ("float64", "float32", "float16", "bfloat16")
