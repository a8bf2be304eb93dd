"""Checks that the work which a kernel does in Python does not grow with the sizes. Counts the work of judged calls.

The work of a call is the number of instructions of the kernel's own code, plus the number of operators that torch
dispatched, plus an eighth of the peak bytes of Python objects. (``sum(x.tolist())`` executes no instruction for each
element, but creates an object for each.) The work may be constant, grow with the logarithm of a size, or grow by a step
for each large block, but not by a step for each element, row or column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log2, prod

from pytest_upskill.languages.python import SOURCE_NAME
from pytest_upskill.records import Assertion, Call, TensorArgument

MOST_ELEMENTS = 1 << 16
"""Only calls with at most this many elements are counted. A loop over this many elements takes a second."""
_KEPT = 64
_LEAST, _RATIO = 16, 4
"""Two calls are compared if a size is at least ``_LEAST`` in the smaller call and grows by the factor ``_RATIO``. With
smaller sizes, a fixed number of blocks would count as growth.
"""
_PER_UNIT, _PER_DOUBLING, _FREE = 2, 200, 150
"""The work that is allowed for each further unit of the size, for each doubling of any size, and in any case. One step
of a tree reduction takes a work of about 150. The shortest loops take 8 instructions and an operator for each element.
"""
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """The work of one call. ``lines`` maps lines of the source to executed instructions; line 0 stands for code that
    was made at run time.
    """

    instructions: int
    operators: int
    bytes: int
    lines: Mapping[int, int]

    @property
    def work(self) -> int:
        return self.instructions + self.operators + self.bytes // _BYTES


class Growth:
    """Keeps calls of one dtype, and compares the calls whose sizes differ most."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._broken = False
        self._largest: dict[str, int] = {}

    def see(self, call: Call, ran: bool) -> None:
        """Record a judged call."""
        self._broken = self._broken or not ran
        sizes = _sizes(call)
        small = 0 < sizes["elements"] <= MOST_ELEMENTS
        if not ran or not small or call.instantiation != 0:
            return
        if len(self._calls) < _KEPT or any(size > self._largest.get(name, 0) for name, size in sizes.items()):
            self._calls.append(call)
            self._largest = {name: max(size, self._largest.get(name, 0)) for name, size in sizes.items()}

    def assertion(self, count: Callable[[Call], Counts | str]) -> Assertion:
        """The assertion ``vectorised``. ``count`` repeats a call, and returns its work or why the work cannot be
        counted.
        """
        if self._broken:
            return Assertion("vectorised", False, "not tried: the function did not run")
        known: dict[int, Counts | str] = {}
        for size, small, large in self._pairs():
            for call in (small, large):
                if id(call) not in known:
                    known[id(call)] = count(call)
            before, after = known[id(small)], known[id(large)]
            if isinstance(before, str) or isinstance(after, str):
                why = before if isinstance(before, str) else after
                return Assertion("vectorised", False, f"its work cannot be counted: {why}")
            first, last = _sizes(small)[size], _sizes(large)[size]
            doublings = sum(_doublings(small, large).values())
            if after.work - before.work > _PER_UNIT * (last - first) + _PER_DOUBLING * doublings + _FREE:
                return Assertion("vectorised", False, _message(size, first, last, before, after))
        return Assertion("vectorised", True, "" if known else "not measured: all examples are of about the same size")

    def _pairs(self) -> Iterator[tuple[str, Call, Call]]:
        """For each size that varies enough, the name of the size, a call in which it is small, and a call in which it
        is large. Other sizes differ little between the two calls.
        """
        for size in {name: None for call in self._calls for name in _sizes(call)}:
            having = [(call, _sizes(call)[size]) for call in self._calls if size in _sizes(call)]
            most = max(found for _, found in having)
            pairs = [
                (sum(_doublings(small, large, size).values()), first - last, small, large)
                for large, last in having
                for small, first in having
                if 2 * last >= most and _LEAST <= first <= last // _RATIO
            ]
            if pairs:
                _, _, small, large = min(pairs, key=lambda pair: pair[:2])
                yield size, small, large


def _sizes(call: Call) -> Mapping[str, int]:
    """The size of each axis of each argument, and the elements of the largest argument."""
    tensors = [one for one in call.arguments if isinstance(one, TensorArgument) and one.role != "output"]
    axes = {f"{one.name}.shape[{axis}]": size for one in tensors for axis, size in enumerate(one.shape)}
    return {**axes, "elements": max((prod(one.shape) for one in tensors), default=0)}


def _doublings(small: Call, large: Call, without: str = "elements") -> Mapping[str, float]:
    """How often each axis doubles from one call to the other. The axis ``without`` does not count."""
    before, after = _sizes(small), _sizes(large)
    grown = {name: size / before[name] for name, size in after.items() if before.get(name, 0) and name != without}
    return {name: log2(ratio) for name, ratio in grown.items() if ratio > 1 and name != "elements"}


def _message(size: str, first: int, last: int, before: Counts, after: Counts) -> str:
    what = "the elements" if size == "elements" else size
    small = f"{before.instructions} instructions, {before.operators} operators and {before.bytes} bytes of objects"
    large = f"{after.instructions}, {after.operators} and {after.bytes}"
    message = f"the work done in Python grows with {what}: with {first}, {small}; with {last}, {large}"
    more = {line: count - before.lines.get(line, 0) for line, count in after.lines.items()}
    line = max(more, key=lambda one: more[one], default=0)
    if line and more[line] >= last - first:
        most = f"this line grows most ({before.lines.get(line, 0)} to {after.lines[line]})"
        message = f"{SOURCE_NAME}:{line}: {message}; {most}"
    return f"{message}; replace the loop by operations on whole tensors"
