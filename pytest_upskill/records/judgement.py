"""How a kernel was judged, and what is kept of each item: the rows of the report."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_upskill.records.asking import Tokens
from pytest_upskill.records.plain import to_plain
from pytest_upskill.records.running import Assertion, Finding, KernelResources, LaunchStatistics

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
"""Version of the JSON report."""


class VerdictKind(StrEnum):
    """How an item ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE_ERROR = "infrastructure-error"
    BUDGET_STOPPED = "budget-stopped"
    NOT_ANSWERED = "not-answered"
    NOT_NEEDED = "not-needed"
    """``--upskill-until-decided``: the gates on the skill were decided before."""


class ItemKind(StrEnum):
    """What an item is about."""

    KERNEL = "kernel"
    TEXT = "text"
    TRIGGER = "trigger"
    """Whether a student that sees names and descriptions of skills chooses the skill."""
    SPEC = "spec"
    MUTANTS = "mutants"
    BROKEN_CASE = "broken-case"


@dataclass(frozen=True, slots=True)
class Example:
    """One set of inputs: the same example always draws the same values.

    ``scalars`` holds the integer and bool scalars, which were drawn separately, and floating ones (float32 values) that
    replace those that the seed gives. ``values`` is the family of values; if empty, the seed chooses it.
    """

    dims: Mapping[str, int]
    dtype: str
    seed: int
    values: str = ""
    scalars: Mapping[str, bool | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        """``rows=1 cols=33 dtype=float16 seed=7 alpha=0.5``: the form that ``--upskill-example`` takes."""
        parts = [f"{name}={value}" for name, value in self.sizes.items()]
        parts += [f"dtype={self.dtype}", f"seed={self.seed}"]
        if self.values:
            parts.append(f"values={self.values}")
        real = ((name, value) for name, value in self.scalars.items() if isinstance(value, float))
        return " ".join([*parts, *(f"{name}={_shortest(value)}" for name, value in real)])

    @property
    def sizes(self) -> dict[str, int]:
        """Dims, and integer and bool scalars."""
        scalars = {name: int(value) for name, value in self.scalars.items() if not isinstance(value, float)}
        return {**self.dims, **scalars}

    @property
    def drawn(self) -> Example:
        """The example without floating scalars. It names the random values, so that these scalars change no other."""
        kept = {name: value for name, value in self.scalars.items() if not isinstance(value, float)}
        return dataclasses.replace(self, scalars=kept)


def _shortest(value: float) -> str:
    """The shortest text that reads back to the same float32 value."""
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if struct.pack("f", float(text)) == struct.pack("f", value)), repr(value))


def assertion_names(checks: Sequence[str], dtypes: Sequence[str]) -> list[str]:
    """The assertions of ``checks``, in order: ``correct`` stands for one per dtype."""
    correct = [f"correct[{dtype}]" for dtype in dtypes]
    return [name for check in checks for name in (correct if check == "correct" else [check])]


@dataclass(frozen=True, slots=True)
class Window:
    """The elements around the worst one, in rows along the last dim; a vector or a scalar is one row.

    ``start`` is the row and the column of the first element, in the last two dims. ``ratios`` are the errors as
    multiples of their bounds: more than 1 is wrong, None is wrong without a number, such as NaN.
    """

    start: tuple[int, int]
    expected: tuple[tuple[str, ...], ...]
    got: tuple[tuple[str, ...], ...]
    ratios: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class WorstElement:
    """The element of an output with the largest error. Numbers are texts, as they are shown.

    ``error`` and ``bound`` are None if values are compared exactly.
    """

    output: str
    index: tuple[int, ...]
    expected: str
    got: str
    error: str | None = None
    bound: str | None = None
    around: Window | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The smallest known example that fails ``assertion``. ``line`` is the line of the kernel at fault, if known.

    ``worst`` may be that of wrong values which the finding explains. ``inputs`` has the values of small input tensors.
    """

    assertion: str
    example: Example
    message: str
    worst: WorstElement | None = None
    line: int | None = None
    reproducible: bool = True
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an item ended, and why; ``assertions`` are in the order in which they are tried."""

    kind: VerdictKind
    reason: str | None = None
    assertions: tuple[Assertion, ...] = ()
    counterexample: Counterexample | None = None

    @property
    def first_failed(self) -> Assertion | None:
        return next((assertion for assertion in self.assertions if not assertion.passed), None)

    @property
    def headline(self) -> Assertion | None:
        """The failed assertion that reports show: a finding that explains wrong values or a crash, else the first."""
        first, found = self.first_failed, self.counterexample
        if first is None or found is None or not first.name.startswith(("correct[", "runs")):
            return first
        return next((one for one in self.assertions if one.name == found.assertion and not one.passed), first)


@dataclass(frozen=True, slots=True)
class Seconds:
    """The time that an item took."""

    reply: float = 0.0
    build: float = 0.0
    run: float = 0.0

    @property
    def total(self) -> float:
        return self.reply + self.build + self.run

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.reply + other.reply, self.build + other.build, self.run + other.run)


@dataclass(frozen=True, slots=True)
class SurvivingMutant:
    """A change of a solution that no example detected. ``line`` is 1-based, in the case's file.

    ``unseen``: every result had the same bits, so the mutant may be equivalent. ``advice``: what would kill it.
    """

    line: int
    change: str
    unseen: bool
    advice: str = ""


@dataclass(frozen=True, slots=True)
class MutationScore:
    """How many of a solution's mutants were killed. ``equivalent`` ones (same machine code) are not in ``total``."""

    killed: int
    total: int
    equivalent: int = 0
    survived: tuple[SurvivingMutant, ...] = ()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> MutationScore:
        """The inverse of ``dataclasses.asdict``, also after JSON. Raises ValueError on data of another shape."""
        try:
            survived = tuple(SurvivingMutant(**one) for one in data["survived"])
            return cls(data["killed"], data["total"], data["equivalent"], survived)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a mutation score: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Turn:
    """One try of a conversation. ``seconds`` is the sum for the reply, the build and the run."""

    verdict: VerdictKind
    reason: str | None
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None
    seconds: float = 0.0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class RubricRecord:
    """How a model judged the rubric of one reply. ``answers`` are those that could be read, in order, each with whether
    each statement is true; ``asked`` counts all of them. Tokens and cost (USD) are those of the judge.
    """

    judge: str
    answers: tuple[tuple[bool, ...], ...] = ()
    asked: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class TriggerRecord:
    """What a student chose for a query: ``named`` are the skills, and ``chosen`` whether ours is one of them."""

    query: str
    should_trigger: bool
    chosen: bool
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is kept of one item: a row of the report."""

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
    """The kernel that was judged."""
    replay: str | None = None
    """The command that repeats the counterexample, or the item."""
    notes: tuple[str, ...] = ()
    """Remarks for the summary, such as an overridden tolerance or a reply that was cut off."""
    kernels: tuple[KernelResources, ...] = ()
    """The resources of the kernels on the GPU that they were built for; empty on the cpu device."""
    device_memory: int | None = None
    """The most device memory (bytes) in use during a call; None if it was not measured."""
    score: MutationScore | None = None
    """The score of a mutants item; None without a solution."""
    turns: tuple[Turn, ...] = ()
    """The tries of a conversation, if several were allowed; the other fields are those of the last try, or sums."""
    source_name: str = ""
    """The name of the source in messages: ``kernel.cu``, or the case's file for its own solution."""
    source_start: int = 1
    """The line of that file (1-based) in which the source begins."""
    shown_line: int | None = None
    """The line of the source (1-based) that the report of a failure shows, if any."""
    shown_why: str = ""
    """Why that line is shown, if it is a guess: "where out is written"."""
    xfail: str = ""
    """Why the item is expected to fail; empty if it is not."""
    reused: int = 0
    """How many of its replies were stored in an earlier session."""
    outdated: int = 0
    """How many replies are stored for the item whose question has changed since, at most one for each turn."""
    tags: tuple[str, ...] = ()
    prompt_digest: str = ""
    prompt: str = ""
    """The first prompt. Of the items of a process that share one, only the first item has its text."""
    reply: str = ""
    reasoning: str = ""
    reports: tuple[Finding, ...] = ()
    """What the device saw in all calls, each once."""
    not_executed: tuple[tuple[int, int], ...] = ()
    """Ranges of lines of the source that no traced call executed."""
    reply_digest: str = ""
    skill_digest: str = ""
    """A hash of the skill's files on disk that a student can see; cases have one each, in ``case_digest``."""
    case_digest: str = ""
    launches: LaunchStatistics | None = None
    compilers: tuple[str, ...] = ()
    rubric: RubricRecord | None = None
    trigger: TriggerRecord | None = None

    def to_plain(self) -> dict[str, Any]:
        """Plain data, for another process and for storing."""
        plain: dict[str, Any] = to_plain(self)  # pydantic would save less than its import takes
        return plain

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Outcome:
        """The inverse of ``to_plain``, also after JSON. Raises ValueError on data of another shape."""
        return _outcomes().validate_python(data)


@cache
def _outcomes() -> TypeAdapter[Outcome]:
    from pydantic import TypeAdapter  # a tenth of a second, which only a process that reads plain data spends

    return TypeAdapter(Outcome)
