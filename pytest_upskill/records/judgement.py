"""How a kernel was judged, and everything that is kept of an item: the rows of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pytest_upskill.records.asking import Tokens
from pytest_upskill.records.running import KernelResources

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
class SurvivingMutant:
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
    counted. ``survived`` are those that were not killed.
    """

    killed: int
    total: int
    equivalent: int = 0
    survived: tuple[SurvivingMutant, ...] = ()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> MutationScore:
        """The inverse of ``dataclasses.asdict``."""
        return cls(**{**data, "survived": tuple(SurvivingMutant(**one) for one in data["survived"])})


@dataclass(frozen=True, slots=True)
class Turn:
    """One try of a conversation: how it was judged, and what it took.

    ``seconds`` are those of the reply, the build and the run together.
    """

    verdict: VerdictKind
    reason: str | None
    tokens: Tokens = field(default_factory=Tokens)
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
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None
    seconds: Seconds = Seconds()
    source: str | None = None
    """The kernel that was judged, for the report of a failure."""
    source_name: str = "kernel.cu"
    """What messages call it, as its language says."""
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
