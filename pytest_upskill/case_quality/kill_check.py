"""The kill check: runs a mutant on examples until an assertion fails.

The examples are those on which the right kernel was judged, with the bytes of its results; none are drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_upskill.oracle.compare import Buffer, judge
from pytest_upskill.oracle.explore import Repeat, Run
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.shapes import SMALL_LIMIT
from pytest_upskill.oracle.shrink import elements_of
from pytest_upskill.records import Answer, Example

ORDERS = 2
"""How often a call is repeated in another order of threads."""
_AGAIN_EVERY = 5
"""One of five small examples is repeated."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An example, and the bytes of the right kernel's results."""

    prepared: Prepared
    outputs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class KillCheck:
    """``fault`` is the assertion that failed first, on ``example``; None if the mutant survived.

    ``unseen``: all results had the bits of the right kernel's, so the two may be equivalent.
    """

    fault: str | None
    example: Example | None = None
    unseen: bool = False


def selected(kept: Sequence[Kept]) -> list[Kept]:
    """All small examples and one large one: large ones take long, and a second one hardly finds more."""
    small = [one for one in kept if _is_small(one)]
    return [*small, *[one for one in kept if not _is_small(one)][:1]]


def _is_small(one: Kept) -> bool:
    return elements_of(one.prepared.call) <= SMALL_LIMIT


def kill_check(kept: Sequence[Kept], run: Run, repeat: Repeat, *, atomics: bool = False) -> KillCheck:
    """Call the kernel behind ``run`` on one example after the other, up to the first that fails."""
    unseen = True
    again: list[tuple[Kept, Mapping[str, Buffer]]] = []
    for number, one in enumerate(kept):
        answer = run(one.prepared.call)
        fault = fault_of(one.prepared, answer)
        if fault is not None:
            return KillCheck(fault, one.prepared.example)
        unseen = unseen and not _differ(one.outputs, answer.outputs)
        if number % _AGAIN_EVERY == 0 and _is_small(one):
            again.append((one, answer.outputs))
    for one, first in again:
        fault = _again(one, first, repeat, atomics)
        if fault is not None:
            return KillCheck(fault, one.prepared.example)
    return KillCheck(None, unseen=unseen)


def _again(one: Kept, first: Mapping[str, Buffer], repeat: Repeat, atomics: bool) -> str | None:
    for time in range(ORDERS):
        answer = repeat(one.prepared.call, time)
        fault = fault_of(one.prepared, answer)
        if fault is None and not atomics and _differ(first, answer.outputs):
            fault = "deterministic"
        if fault is not None:
            return fault
    return None


def fault_of(prepared: Prepared, answer: Answer) -> str | None:
    """The assertion that an answer fails, None if it is right."""
    if answer.findings:
        return answer.findings[0].assertion
    return None if judge(prepared.expected, answer.outputs) is None else f"correct[{prepared.example.dtype}]"


def _differ(one: Mapping[str, Buffer], other: Mapping[str, Buffer]) -> bool:
    return any(memoryview(data) != memoryview(other[name]) for name, data in one.items())
