"""Searches for the smallest example that fails one assertion, within 100 runs.

Hypothesis simplifies first. Then each dim is lowered alone, since sizes that were drawn large depend on each other, and
the values are simplified. Every failing example that was met counts: a stateful kernel may mislead the search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Protocol

import hypothesis
from hypothesis.strategies import SearchStrategy

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.search import Batch, Stop
from pytest_upskill.oracle.shapes import least, problem
from pytest_upskill.oracle.values import uses_family
from pytest_upskill.records import Call, Example, TensorArgument, WorstElement

RUNS = 100
"""Runs of the kernel in one search: unlike a time limit, it gives the same counterexample on a loaded machine."""

SECONDS = 60.0
"""A safety limit for slow kernels; a search that it stops is marked as not shrunk to the end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an example fails an assertion."""

    message: str
    kind: str = "values"
    worst: WorstElement | None = None
    line: int | None = None


@dataclass(slots=True)
class Tried:
    """An example that was run, by what it failed; ``order`` counts the examples of the exploration."""

    example: Example
    batch: Batch | None
    order: int
    elements: int
    faults: dict[str, Fault] = field(default_factory=dict)


class Explored(Protocol):
    """What exploration has found, and a way to try one more example."""

    case: Case
    seed: int
    tried: dict[str, Tried]
    given_up: dict[str, str]

    def try_again(self, example: Example, name: str) -> Tried | None: ...


def elements_of(call: Call) -> int:
    """Elements of all tensors of a call."""
    return sum(argument.elements for argument in call.arguments if isinstance(argument, TensorArgument))


class Shrinking:
    """One search for a smaller example than ``first`` that fails the assertion ``name``."""

    def __init__(self, explored: Explored, name: str, first: Tried) -> None:
        self._explored, self._name, self._first, self._best = explored, name, first, first
        self._known: dict[str, Tried | None] = dict(explored.tried)
        self._runs, self._deadline = 0, time.monotonic() + SECONDS
        self._error: Exception | None = None
        self.out_of_time = False
        """Whether the safety limit stopped the search."""

    def smallest(self, strategy: SearchStrategy[Example]) -> Tried:
        """The smallest failing example that was met."""
        assert self._first.batch is not None
        if not self._first.batch.family:  # one large example alone gives Hypothesis nothing to go down to
            search.shrink(self._first.batch, strategy, self._explored.seed, self._drawn_again_fails)
        try:
            self._lower_dims()
            self._simplify()
        except Stop:
            pass
        if self._error is not None:
            raise self._error
        return self._best

    def _drawn_again_fails(self, example: Example) -> bool:
        """Whether an example fails, for Hypothesis; rejects those of earlier batches, as the first draw did."""
        tried = self._explored.tried.get(str(example))
        earlier = tried is not None and tried.batch is not None and tried.batch != self._first.batch
        if earlier or str(example) in self._explored.given_up:
            hypothesis.reject()
        return self._fails(example)

    def _lower_dims(self) -> None:
        for _ in range(2):
            before, dims = self._best, self._best.example.dims
            for name in sorted(dims, key=lambda name: -dims[name]):
                self._lower(name)
            if self._best is before:
                return

    def _lower(self, name: str) -> None:
        """Bisect for the smallest failing size of one dim, as if larger sizes always failed."""
        high = self._best.example.dims[name]
        low = least(self._explored.case, name, self._best.example.dims)
        if low >= high or self._fails_with(name, low):
            return
        while high - low > 1:
            middle = (low + high) // 2
            if self._fails_with(name, middle):
                high = middle
            else:
                low = middle

    def _fails_with(self, name: str, size: int) -> bool:
        example = replace(self._best.example, dims={**self._best.example.dims, name: size})
        legal = problem(self._explored.case, example.dims, example.scalars) is None
        return legal and self._fails(example)

    def _simplify(self) -> None:
        example = self._best.example
        if uses_family(self._explored.case) and example.values != "normal":
            self._fails(replace(example, values="normal"))
        if self._best.example.seed != 0:
            self._fails(replace(self._best.example, seed=0))

    def _fails(self, example: Example) -> bool:
        key = str(example)
        if key not in self._known:
            self._known[key] = self._run(example)
        tried = self._known[key]
        if tried is None or self._name not in tried.faults:
            return False
        if _size(tried) < _size(self._best):
            self._best = tried
        return True

    def _run(self, example: Example) -> Tried | None:
        self.out_of_time = self.out_of_time or time.monotonic() > self._deadline
        if self._runs >= RUNS or self.out_of_time or self._error is not None:
            raise Stop
        self._runs += 1
        try:
            tried = self._explored.try_again(example, self._name)
        except UpskillError as error:
            # The verdict is fixed: a reference or a sandbox that fails from here on must not hide it.
            raise Stop from error
        except Exception as error:
            self._error = error
            raise Stop from error
        if tried is not None and any(fault.kind == "timeout" for fault in tried.faults.values()):
            raise Stop  # a smaller call that hangs would cost the whole time-out each time it is met
        return tried


def _size(tried: Tried) -> tuple[int, int, int, str]:
    text = str(tried.example)
    return (tried.elements, tried.example.values != "normal", len(text), text)
