"""Finds sizes at which a kernel takes branches that the drawn examples did not take.

A traced build reports which blocks a call executes, and the operands of its comparisons of integers. To make a
comparison come out differently, sizes are moved by the difference of its operands. This also works for remainders. A
kernel can falsify these reports, so they only add examples and never remove any.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.sizes import integer_scalars, problem
from pytest_upskill.languages.base import Tracer
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.shapes import OutputSize, elements
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import Call, Example

LARGEST = 1 << 16
"""The largest number of elements of a traced call."""

_TRACED = 4
"""For each dtype, this many of the examples that are tried anyhow are traced first."""

_CALLS, _CALLS_AGAIN = 20, 8
"""The largest number of further traced calls for the first dtype, and for each other dtype. Another dtype gets, in
addition, a call for each example that was found with an earlier dtype."""

_LATER = 8
"""As long as lines would be listed as not executed, up to this many more calls are traced for each dtype."""

_TRIES = 20
"""The largest number of sizes that are tried to see one relation of one comparison."""

_FAR = 4
"""Each time the difference of a comparison's operands has this many more binary digits, the comparison waits as if it
had been tried once more."""

_MOST = 1 << 28
"""Operands of at least this magnitude are taken for the bits of floating-point numbers, not for sizes."""

_STEPS = 4
"""Once nothing else is left to try, sizes are moved by up to this number."""

_SAME = 3
"""A comparison counts as constant if its operands were the same in this many calls."""

_RELATIONS = (-1, 0, 1)

Goal = tuple[str, int]
"""A comparison, and a sign that the difference of its operands can have. The search looks for signs not seen so far."""


@dataclass
class Steering:
    """The search for one kernel. ``call_of`` makes the call of an example, or returns None if it cannot be judged."""

    case: Case
    outputs: OutputSize
    tracer: Tracer
    call_of: Callable[[Example], Call | None]
    seed: int
    executed: set[str] = field(default_factory=set)
    _seen: set[Goal] = field(default_factory=set)
    _met: dict[str, tuple[Example, tuple[int, int]]] = field(default_factory=dict)
    """For each comparison, the example at which its operands were nearest to each other, and these operands."""
    _operands: dict[str, list[frozenset[tuple[int, int]]]] = field(default_factory=dict)
    """For each comparison, its operands in each call, up to the first call in which they differ from those before."""
    _tries: dict[Goal, int] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _differences: dict[tuple[str, str], int] = field(default_factory=dict)
    _origins: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """For each moved example: the example that it was made from, the size that was moved, and by how much."""
    _slopes: dict[tuple[str, str], float] = field(default_factory=dict)
    """How fast the difference of a comparison's operands changes with one size, while the other sizes stay the same."""
    _found: list[Example] = field(default_factory=list)
    _broken: bool = False

    def examples(self, dtype: str, drawn: Sequence[Example]) -> Iterator[Example]:
        """Examples of a dtype at which the kernel takes new branches. The examples ``drawn`` are tried anyhow."""
        for example in self._some(drawn):
            self._trace(example)
        self._met, calls = {name: met for name, met in self._met.items() if met[0].dtype == dtype}, 0
        found = [replace(one, dtype=dtype) for one in self._found]
        most = len(found) + (_CALLS if dtype == self.case.dtypes[0] else _CALLS_AGAIN)
        for example in itertools.chain(found, self._steered(dtype)):
            if self._broken or calls >= most:
                self._tries |= {(place, sign): _TRIES for place in self._met for sign in _RELATIONS}
                break
            if str(example) in self._known:
                continue
            calls += 1
            if new := self._trace(example):
                self._found.append(example)
            if new or self._broken:  # when the example is judged, the result says why its traced call failed
                yield example
        for example in self._small(drawn)[:_LATER]:  # before lines are listed as not executed
            if self.not_executed() and str(example) not in self._known:
                self._trace(example)

    def _some(self, drawn: Sequence[Example]) -> list[Example]:
        by_sizes = {tuple(one.sizes.values()): one for one in self._small(drawn)}
        return list(by_sizes.values())[:: max(1, len(by_sizes) // _TRACED)][:_TRACED]

    def _small(self, drawn: Sequence[Example]) -> list[Example]:
        """The examples that may be traced, the largest first."""
        small = [one for one in drawn if elements(self.case, one.dims, self.outputs) <= LARGEST]
        return sorted(small, key=lambda one: -elements(self.case, one.dims, self.outputs))

    def _trace(self, example: Example) -> bool:
        """Trace an example. Return whether it executes a new block or shows a new relation of operands."""
        self._known.add(str(example))
        call = None if self._broken else self.call_of(example)
        if call is None:
            return False
        if (trace := self.tracer.trace(call)) is None:
            self._broken = True
            return False
        new = (trace.executed & self.tracer.blocks.keys()) - self.executed
        self.executed |= new
        goals = set()
        for place, pairs in trace.compared.items():
            if place not in self.tracer.comparisons or max(map(abs, itertools.chain(*pairs))) >= _MOST:
                continue
            goals |= {(place, (left > right) - (left < right)) for left, right in pairs}
            operands = self._operands.setdefault(place, [])
            if not operands or operands[0] == operands[-1]:
                operands.append(frozenset(pairs))
            nearest = min(pairs, key=lambda pair: abs(pair[0] - pair[1]))
            self._learn(place, example, nearest[0] - nearest[1])
            known = self._met.get(place)
            if known is None or abs(nearest[0] - nearest[1]) < abs(known[1][0] - known[1][1]):
                self._met[place] = (example, nearest)
                if known is None or 2 * abs(nearest[0] - nearest[1]) < abs(known[1][0] - known[1][1]):
                    self._tries |= {(place, sign): 0 for sign in _RELATIONS}
        found = bool(new or goals - self._seen)
        self._seen |= goals
        return found

    def _steered(self, dtype: str) -> Iterator[Example]:
        """Examples whose sizes may show a relation of operands that was not seen so far.

        Comparisons that were tried less often, or whose operands are near each other, come first.
        """
        while True:
            goals = [
                (
                    self._is_constant(place),
                    self._tries.get((place, sign), 0) + abs(met[1][0] - met[1][1]).bit_length() // _FAR,
                    place,
                    sign,
                )
                for place, met in self._met.items()
                for sign in _RELATIONS
                if (place, sign) not in self._seen and met[0].dtype == dtype
                if self._tries.get((place, sign), 0) < _TRIES
            ]
            if not goals:
                return
            *_, place, sign = min(goals)
            self._tries[place, sign] = self._tries.get((place, sign), 0) + 1
            example, operands = self._met[place]
            candidates = self._candidates(place, example, operands, sign)
            candidate = next((one for one in candidates if str(one) not in self._known), None)
            if candidate is None:
                self._tries[place, sign] = _TRIES
            else:
                yield candidate

    def _is_constant(self, place: str) -> bool:
        """Whether the operands of a comparison were the same in three calls, so that they hardly depend on sizes."""
        operands = self._operands[place]
        return len(operands) >= _SAME and operands[0] == operands[-1]

    def _learn(self, place: str, example: Example, difference: int) -> None:
        """Learn how fast the difference of the operands changes with a size.

        ``example`` was made from another example by moving one size. Its ``difference`` is compared with the difference
        that the other example had.
        """
        self._differences[place, str(example)] = difference
        origin, name, by = self._origins.get(str(example), ("", "", 0))
        if (before := self._differences.get((place, origin))) is not None and difference != before:
            self._slopes[place, _beside(example, name)] = (difference - before) / by

    def _candidates(self, place: str, example: Example, operands: tuple[int, int], sign: int) -> Iterator[Example]:
        """Legal sizes at which the difference of the operands may have ``sign``."""
        left, right = operands
        by = sign - (left - right)
        names = [*(dim.name for dim in self.case.dims if not dim.fixed), *(s.name for s in integer_scalars(self.case))]
        values = example.sizes
        for name in names:
            if slope := self._slopes.get((place, _beside(example, name))):
                yield from self._moved(example, name, values[name] + round(by / slope))
        for name in names:
            yield from self._moved(example, name, values[name] + by)
            if left and right:
                yield from self._moved(example, name, values[name] * (right + sign) // left)
        for name in names:
            yield from self._moved(example, name, values[name] - by)
            yield from self._moved(example, name, values[name] * 2)
        for step in range(1, _STEPS + 1):  # to learn how the difference changes, and for remainders
            for name in names:
                yield from self._moved(example, name, values[name] + step)
                yield from self._moved(example, name, values[name] - step)

    def _moved(self, example: Example, name: str, value: int) -> Iterator[Example]:
        dims = {key: value if key == name else size for key, size in example.dims.items()}
        scalars = {key: value if key == name else size for key, size in example.scalars.items()}
        if abs(value) >= 1 << 62 or (dims, scalars) == (example.dims, example.scalars):
            return
        if problem(self.case, dims, scalars) is None and self._lowered(dims, name):
            seed = stable_hash("steered", self.seed, *dims.values(), *scalars.values()) % 10_000_000
            moved = complete(self.case, Example(dims, example.dtype, seed, "", scalars))
            self._origins.setdefault(str(moved), (str(example), name, value - example.sizes[name]))
            yield moved

    def _lowered(self, dims: dict[str, int], kept: str) -> bool:
        """Lower the dims other than ``kept``, the largest first, until a call is small enough to be traced.

        Return whether the sizes are legal then.
        """
        while elements(self.case, dims, self.outputs) > LARGEST:
            size, name = max(((size, name) for name, size in dims.items() if name != kept), default=(0, ""))
            if size < 2:
                return False
            dims[name] = size // 2
        return problem(self.case, dims, {}) is None

    def not_executed(self) -> tuple[tuple[int, int], ...]:
        """The ranges of lines that were never executed, in any instance of a template."""
        executed = {self.tracer.blocks[place] for place in self.executed}
        lines = sorted(set(self.tracer.blocks.values()))
        groups = itertools.groupby(lines, key=executed.__contains__)
        missed = [list(group) for was_executed, group in groups if not was_executed]
        return tuple((group[0], group[-1]) for group in missed)


def _beside(example: Example, name: str) -> str:
    """A key of a size: its name, and the values of all other sizes."""
    others = {key: value for key, value in {**example.dims, **example.scalars}.items() if key != name}
    return f"{name} {others}"
