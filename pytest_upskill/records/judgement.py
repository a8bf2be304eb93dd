"""How a kernel was judged, and what is stored for each item, which is a row of the report."""

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
"""The version of the JSON report."""


class VerdictKind(StrEnum):
    """How an item ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE_ERROR = "infrastructure-error"
    BUDGET_STOPPED = "budget-stopped"
    NOT_ANSWERED = "not-answered"
    NOT_NEEDED = "not-needed"
    """With ``--upskill-until-decided``, the gates on the skill were decided before the item's reply was requested."""


class ItemKind(StrEnum):
    """What an item is about."""

    KERNEL = "kernel"
    TEXT = "text"
    TRIGGER = "trigger"
    """The item asks whether a student that sees names and descriptions of skills chooses the measured skill."""
    SPEC = "spec"
    MUTANTS = "mutants"
    BROKEN_CASE = "broken-case"


@dataclass(frozen=True, slots=True)
class Example:
    """One set of inputs of a kernel. The same example always draws the same values.

    ``scalars`` holds the integer and bool scalars. It may also hold floating scalars (float32 values), which replace
    those that the seed would give. ``values`` is the family of values. If it is empty, the seed chooses the family.
    """

    dims: Mapping[str, int]
    dtype: str
    seed: int
    values: str = ""
    scalars: Mapping[str, bool | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The text that ``--upskill-example`` accepts, such as ``rows=1 cols=33 dtype=float16 seed=7 alpha=0.5``."""
        parts = [f"{name}={value}" for name, value in self.sizes.items()]
        parts += [f"dtype={self.dtype}", f"seed={self.seed}"]
        if self.values:
            parts.append(f"values={self.values}")
        real = ((name, value) for name, value in self.scalars.items() if isinstance(value, float))
        return " ".join([*parts, *(f"{name}={_shortest(value)}" for name, value in real)])

    @property
    def sizes(self) -> dict[str, int]:
        """The dims, and the integer and bool scalars."""
        scalars = {name: int(value) for name, value in self.scalars.items() if not isinstance(value, float)}
        return {**self.dims, **scalars}

    @property
    def drawn(self) -> Example:
        """The example without floating scalars.

        The random generator depends only on this part, so that floating scalars do not change other values.
        """
        kept = {name: value for name, value in self.scalars.items() if not isinstance(value, float)}
        return dataclasses.replace(self, scalars=kept)


def _shortest(value: float) -> str:
    """The shortest text from which the same float32 value is read."""
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if struct.pack("f", float(text)) == struct.pack("f", value)), repr(value))


def assertion_names(checks: Sequence[str], dtypes: Sequence[str]) -> list[str]:
    """The names of the assertions in ``checks``, in order. ``correct`` becomes one assertion per dtype."""
    correct = [f"correct[{dtype}]" for dtype in dtypes]
    return [name for check in checks for name in (correct if check == "correct" else [check])]


@dataclass(frozen=True, slots=True)
class Window:
    """The elements around the worst element, in rows along the last dim. A vector or a scalar is one row.

    ``start`` is the row and the column of the first element, in the last two dims. ``ratios`` are the errors as
    multiples of their bounds. An element is wrong if its ratio is more than 1, or if it is None because the error is
    not a finite number, as for NaN.
    """

    start: tuple[int, int]
    expected: tuple[tuple[str, ...], ...]
    got: tuple[tuple[str, ...], ...]
    ratios: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class WorstElement:
    """The element of an output with the largest error. Its numbers are texts in the form in which they are shown.

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

    ``worst`` is the worst element. It can belong to ``correct`` although another assertion failed, if the failure
    explains the wrong values. ``inputs`` has the values of small input tensors.
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
    """How an item ended, and why. ``assertions`` are in the order in which they were checked."""

    kind: VerdictKind
    reason: str | None = None
    assertions: tuple[Assertion, ...] = ()
    counterexample: Counterexample | None = None

    @property
    def first_failed(self) -> Assertion | None:
        return next((assertion for assertion in self.assertions if not assertion.passed), None)

    @property
    def headline(self) -> Assertion | None:
        """The failed assertion that reports show.

        If a finding explains wrong values or a crash, it is the assertion that the finding fails, otherwise the first.
        """
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

    ``unseen`` is true if all results had the same bits as the solution's, so that the two may be equivalent. ``advice``
    says what change of the case would detect the mutant.
    """

    line: int
    change: str
    unseen: bool
    advice: str = ""


@dataclass(frozen=True, slots=True)
class MutationScore:
    """How many mutants of a solution were killed.

    ``equivalent`` mutants have the same machine code as the solution, and are not counted in ``total``.
    """

    killed: int
    total: int
    equivalent: int = 0
    survived: tuple[SurvivingMutant, ...] = ()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> MutationScore:
        """The score from the data that ``dataclasses.asdict`` returned, also if the data was JSON in between.

        Raises ValueError for data of another form.
        """
        try:
            survived = tuple(SurvivingMutant(**one) for one in data["survived"])
            return cls(data["killed"], data["total"], data["equivalent"], survived)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a mutation score: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Turn:
    """One try of a conversation. ``seconds`` is the time of the reply, the build and the run together."""

    verdict: VerdictKind
    reason: str | None
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None
    seconds: float = 0.0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class RubricRecord:
    """How a model judged one reply by a rubric.

    ``answers`` has the model's answers that could be read, in order. Each answer says for each statement whether it is
    true. ``asked`` is the number of all answers. Tokens and cost (USD) are those of this model.
    """

    judge: str
    answers: tuple[tuple[bool, ...], ...] = ()
    asked: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class TriggerRecord:
    """The skills that a student chose for a query.

    ``named`` are the chosen skills. ``chosen`` says whether the measured skill is one of them.
    """

    query: str
    should_trigger: bool
    chosen: bool
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is stored for one item, which is a row of the report."""

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
    """The command that runs the counterexample again or, if there is none, the item."""
    notes: tuple[str, ...] = ()
    """Remarks for the summary, such as an overridden tolerance or a reply that was cut off."""
    kernels: tuple[KernelResources, ...] = ()
    """The resources of the kernels on the GPU for which they were built. Empty on the cpu device."""
    device_memory: int | None = None
    """The largest amount of device memory (bytes) in use during a call. None if it was not measured."""
    score: MutationScore | None = None
    """The score of an item that runs mutants. None if the case has no solution."""
    turns: tuple[Turn, ...] = ()
    """The tries of a conversation, if several were allowed. Other fields describe the last try, or are sums of all."""
    source_name: str = ""
    """The name of the source in messages: ``kernel.cu``, or the case's file for its own solution."""
    source_start: int = 1
    """The line (1-based) of the file ``source_name`` in which the source begins."""
    shown_line: int | None = None
    """The line of the source (1-based) that the report of a failure shows, if any."""
    shown_why: str = ""
    """The reason why ``shown_line`` is shown, if it is a guess, such as "where out is written"."""
    xfail: str = ""
    """The reason why the item is expected to fail. Empty if it is expected to pass."""
    reused: int = 0
    """How many of the item's replies come from an earlier session."""
    outdated: int = 0
    """How many stored replies of the item are not used, because their question has changed. At most one per turn."""
    tags: tuple[str, ...] = ()
    prompt_digest: str = ""
    prompt: str = ""
    """The first prompt. If several items of a process have the same prompt, only the first item has its text."""
    reply: str = ""
    reasoning: str = ""
    reports: tuple[Finding, ...] = ()
    """The findings of the device in all calls. Each finding is listed once."""
    not_executed: tuple[tuple[int, int], ...] = ()
    """Ranges of lines of the source that no traced call executed."""
    reply_digest: str = ""
    skill_digest: str = ""
    """A hash of the skill's files on disk that a student can see. A hash of the case is in ``case_digest``."""
    case_digest: str = ""
    launches: LaunchStatistics | None = None
    compilers: tuple[str, ...] = ()
    rubric: RubricRecord | None = None
    trigger: TriggerRecord | None = None

    def to_plain(self) -> dict[str, Any]:
        """The outcome as plain data, which can be stored or sent to another process."""
        plain: dict[str, Any] = to_plain(self)  # pydantic would save less than its import takes
        return plain

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome from the data that ``to_plain`` returned, also if the data was JSON in between.

        Raises ValueError for data of another form.
        """
        return _outcomes().validate_python(data)


@cache
def _outcomes() -> TypeAdapter[Outcome]:
    from pydantic import TypeAdapter  # takes a tenth of a second, so only processes that read plain data do it

    return TypeAdapter(Outcome)
