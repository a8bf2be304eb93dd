"""Searches for the smallest example that fails some assertions, within 100 runs.

Hypothesis simplifies first. Then each dim and integer scalar is lowered, the values are simplified, and dims are
lowered together, because sizes can depend on each other (by a limit on elements, or by conditions of ``where``). The
smallest failing example that was seen is returned, because a kernel with state can mislead the search. All limits count
runs and elements, never seconds, so that the same seed gives the same counterexample on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Protocol

import hypothesis
from hypothesis.strategies import SearchStrategy

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.sizes import first, integer_scalars, problem, scalar_options
from pytest_upskill.errors import CaseError, UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.compare import read
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.search import Batch, Stop
from pytest_upskill.oracle.shapes import SMALL_LIMIT, least, smallest
from pytest_upskill.oracle.values import uses_family
from pytest_upskill.records import Call, Counterexample, Example, ScalarArgument, TensorArgument, WorstElement

RUNS = 100
"""The largest number of runs of the kernel in one search."""

_RUNS_OF_HYPOTHESIS = 60
_WORK = 32
"""All runs of one search together may have this many times the elements of the first example. If this limit ends a
search, its counterexample is marked as not shrunk to the end."""

_FILTERED = 1 << 12
"""If a dim has at most this many sizes, the search lists the legal ones. Otherwise it treats a size that is not legal
like a size at which the kernel passes."""

UNFINISHED = " (not shrunk to the end: the limit on elements was reached)"

SHOWN = 16
"""The values of input tensors are shown if all input tensors together have at most this many elements."""

_DIGITS = {"bfloat16": 4, "float16": 5}
"""The number of digits with which a floating number is shown. It is 6 for the wider dtypes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an example fails an assertion."""

    message: str
    kind: str = "values"
    worst: WorstElement | None = None
    line: int | None = None


@dataclass(slots=True)
class Tried:
    """An example that was run, and the assertions that it failed.

    ``order`` counts the examples of the exploration. ``replay`` is the example with the floating scalars of its call.
    ``inputs`` has the values of small input tensors.
    """

    example: Example
    batch: Batch | None
    order: int
    elements: int
    replay: Example
    inputs: Mapping[str, str]
    faults: dict[str, Fault] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, batch: Batch | None, order: int, faults: dict[str, Fault]) -> Tried:
        """Make the record of a call with the faults that were found in its answer."""
        example, call = prepared.example, prepared.call
        # JSON has no infinities. Without the scalar, the text still replays the same example.
        real = [one for one in call.arguments if isinstance(one, ScalarArgument) and one.kind == "float"]
        finite = {one.name: one.value for one in real if isfinite(one.value)}
        replay = replace(example, scalars={**example.scalars, **finite})
        return cls(example, batch, order, elements_of(call), replay, _small_inputs(call), faults)

    def fails(self, names: tuple[str, ...]) -> bool:
        """Whether the example fails all these assertions."""
        return all(name in self.faults for name in names)

    @property
    def explains_its_crash(self) -> bool:
        """Whether the kernel crashed and the line that caused it is known.

        Another run of the same call may not crash.
        """
        memory, broken = self.faults.get("memory"), self.faults.get("runs")
        return memory is not None and memory.line is not None and not (broken and broken.kind.endswith("timeout"))

    def counterexample(self, names: tuple[str, ...], remark: str = "") -> Counterexample:
        """The example as a counterexample of the first of these assertions.

        The wrong values that it shows may come from any of the assertions.
        """
        fault = self.faults[names[0]]
        worst = next((found for name in names if (found := self.faults[name].worst)), None)
        return Counterexample(names[0], self.replay, fault.message + remark, worst, fault.line, inputs=self.inputs)


def explained(name: str, failing: Mapping[str, Sequence[Tried]]) -> tuple[tuple[str, ...], Tried]:
    """The assertions that a counterexample must fail if ``name`` is the first failed assertion, and its first example.

    A finding with a line can explain wrong values, and an access out of bounds can explain a crash. Then the first
    example that fails both assertions is preferred.
    """
    if name == "runs" and (crashed := failing[name][0]).explains_its_crash:
        return ("memory",), crashed
    for finding in ("memory", "deterministic") if name.startswith("correct") else ():
        found = [one for one in failing.get(finding, ()) if one.faults[finding].line is not None]
        for one in found:
            if (wrong := f"correct[{one.example.dtype}]") in one.faults:
                return (finding, wrong), one
        if found:
            return (finding,), found[0]
    return (name,), failing[name][0]


def _small_inputs(call: Call) -> dict[str, str]:
    tensors = [one for one in call.arguments if isinstance(one, TensorArgument) and one.data is not None]
    if sum(tensor.elements for tensor in tensors) > SHOWN:
        return {}
    return {one.name: _text(read(one.data, one.dtype, one.shape).tolist(), one.dtype) for one in tensors}


def _text(values: Any, dtype: str) -> str:
    if isinstance(values, list):
        return f"[{', '.join(_text(value, dtype) for value in values)}]"
    if isinstance(values, float):
        return f"{values:.{_DIGITS.get(dtype, 6)}g}"
    return str(bool(values)) if dtype == "bool" else str(values)


class Explored(Protocol):
    """What an exploration has found so far, and a method that tries one more example."""

    case: Case
    seed: int
    tried: dict[str, Tried]
    given_up: dict[str, str]

    def try_again(self, example: Example, names: tuple[str, ...]) -> Tried | None: ...


def elements_of(call: Call) -> int:
    """The number of elements of all tensors of a call."""
    return sum(argument.elements for argument in call.arguments if isinstance(argument, TensorArgument))


class Shrinking:
    """One search for a smaller example than ``first`` that fails all assertions ``names``."""

    def __init__(self, explored: Explored, names: tuple[str, ...], first: Tried) -> None:
        self._explored, self._names, self._first, self._best = explored, names, first, first
        self._known: dict[str, Tried | None] = dict(explored.tried)
        self._runs, self._limit, self._work = 0, _RUNS_OF_HYPOTHESIS, 0
        self._stopped = False
        self._error: Exception | None = None
        self.unfinished = False
        """Whether the limit on elements stopped the search."""

    def smallest(self, strategy: SearchStrategy[Example]) -> Tried:
        """Search, and return the smallest failing example that was seen."""
        batch = self._first.batch
        assert batch is not None
        # A batch with one large example, or with dims in upper halves, has no smaller examples for Hypothesis.
        if not batch.family and not batch.upper:
            search.shrink(batch, strategy, self._explored.seed, self._drawn_again_fails)
        self._limit = RUNS
        try:
            before = None
            while self._best is not before:  # an example that was tried before costs no run
                before = self._best
                self._lower_each()
                self._simplify()
                self._lower_together()
        except Stop:
            pass
        if self._error is not None:
            raise self._error
        return self._best

    def _drawn_again_fails(self, example: Example) -> bool:
        """Whether an example fails. Hypothesis calls this.

        Examples of earlier batches are rejected, as in the first draw, so that Hypothesis draws the same examples.
        """
        tried = self._explored.tried.get(str(example))
        earlier = tried is not None and tried.batch is not None and tried.batch != self._first.batch
        if earlier or str(example) in self._explored.given_up:
            hypothesis.reject()
        return self._fails(example)

    def _lower_each(self) -> None:
        """Lower each dim by itself, the largest first, and try the first value of each integer scalar."""
        dims = self._best.example.dims
        for name in sorted(dims, key=lambda name: -dims[name]):
            self._lower(name)
        for scalar in integer_scalars(self._explored.case):
            example = self._best.example
            value = first(scalar_options(scalar, example.dims))
            self._fails_with(example.dims, {**example.scalars, scalar.name: value})

    def _lower_together(self) -> None:
        """Try the smallest legal sizes. Then lower pairs of dims, to their smallest sizes or by the same number."""
        with suppress(CaseError):
            self._fails_with(*smallest(self._explored.case))
        for one, other in itertools.combinations(self._best.example.dims, 2):
            sizes, low = self._best.example.dims, {name: self._least(name) for name in (one, other)}
            if all(low[name] < sizes[name] for name in low) and not self._fails_with({**sizes, **low}):
                self._lower(one, other)

    def _least(self, name: str) -> int:
        return least(self._explored.case, name, self._best.example.dims)

    def _lower(self, *names: str) -> None:
        """Lower these dims by the same number, as far as the kernel still fails.

        This is a bisection, which assumes that the kernel also fails at all larger sizes.
        """
        dims = self._best.example.dims
        count = min(dims[name] - self._least(name) for name in names)

        def sizes(number: int) -> dict[str, int]:
            return {**dims, **{name: dims[name] - count + number for name in names}}

        legal: Sequence[int] = range(count)
        if count <= _FILTERED:
            legal = [number for number in legal if self._with(sizes(number)) is not None]
        if not legal or self._fails_with(sizes(legal[0])):
            return
        low, high = 0, len(legal)
        while high - low > 1:
            middle = (low + high) // 2
            if self._fails_with(sizes(legal[middle])):
                high = middle
            else:
                low = middle

    def _with(self, dims: Mapping[str, int], scalars: Mapping[str, float] | None = None) -> Example | None:
        """The best example so far with these sizes instead of its own. None if these sizes are not legal."""
        example = replace(self._best.example, dims=dims, scalars=scalars or self._best.example.scalars)
        with suppress(ValueError):  # an expression that these sizes do not allow
            if problem(self._explored.case, dims, example.scalars) is None:
                return example
        return None

    def _fails_with(self, dims: Mapping[str, int], scalars: Mapping[str, float] | None = None) -> bool:
        example = self._with(dims, scalars)
        return example is not None and self._fails(example)

    def _simplify(self) -> None:
        if uses_family(self._explored.case) and self._best.example.values != "normal":
            self._fails(replace(self._best.example, values="normal"))
        if self._best.example.seed != 0:
            self._fails(replace(self._best.example, seed=0))

    def _fails(self, example: Example) -> bool:
        key = str(example)
        if key not in self._known:
            self._known[key] = self._run(example)
        if (tried := self._known[key]) is None or not tried.fails(self._names):
            return False
        if _size(tried) < _size(self._best):
            self._best = tried
        return True

    def _run(self, example: Example) -> Tried | None:
        self.unfinished = self._work > max(_WORK * self._first.elements, RUNS * SMALL_LIMIT)
        if self._runs >= self._limit or self.unfinished or self._stopped:
            raise Stop
        self._runs += 1
        try:
            tried = self._explored.try_again(example, self._names)
        except UpskillError as error:
            # The verdict is fixed, so an error of the reference or the sandbox from here on must not hide it.
            self._stopped = True
            raise Stop from error
        except Exception as error:
            self._stopped, self._error = True, error
            raise Stop from error
        self._work += tried.elements if tried else 0
        if tried is not None and any(fault.kind.endswith("timeout") for fault in tried.faults.values()):
            self._stopped = True  # each smaller call that hangs would take the whole time-out
            raise Stop
        return tried


def _size(tried: Tried) -> tuple[int, int, int, str]:
    text = str(tried.example)
    return (tried.elements, tried.example.values != "normal", len(text), text)
