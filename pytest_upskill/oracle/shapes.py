"""Chooses the sizes of a call within the declared bounds, the case's conditions and a limit on elements.

Each choice is passed in as an integer, called a step, so that Hypothesis (or a hash) can make the choices.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from pytest_upskill.cases.case import Case, Dim
from pytest_upskill.cases.sizes import (
    Options,
    candidates,
    first,
    integer_scalars,
    problem,
    scalar_options,
    violated,
)
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle.size_distribution import SPECIAL, STEPS, of_range, of_sizes, of_upper_half

SMALL_LIMIT = 1 << 14
"""The largest number of elements of a small example, all tensors together. Most examples are small."""

_PROBES = 512
"""The largest distance from a chosen size at which a size that meets the conditions is looked for."""

_COMBINATIONS = 32
"""At most this many combinations of dims are tried as large together, first those with few dims."""

_SEARCH = 20_000
"""At most this many combinations of sizes are tried to find the smallest legal sizes."""


@dataclass(frozen=True, slots=True)
class OutputSize:
    """A rough guess of how many elements the outputs have.

    They have ``elements`` elements if the dims are ``base``, and their number grows with a power of each dim.
    """

    base: Mapping[str, int] = field(default_factory=dict)
    elements: int = 0
    powers: Mapping[str, int] = field(default_factory=dict)

    def guess(self, dims: Mapping[str, int]) -> float:
        guess = float(self.elements)
        for name, power in self.powers.items():
            guess *= (max(dims[name], 1) / max(self.base[name], 1)) ** power
        return guess


def at_step(options: Options, step: int) -> int:
    """The value at a step. All values have the same share of the steps."""
    if isinstance(options, range):  # ``len`` does not work for large ranges
        return options.start + (options.stop - options.start) * step // STEPS
    return options[len(options) * step // STEPS]


def least(case: Case, name: str, dims: Mapping[str, int]) -> int:
    """The smallest size that a dim may have, given the other ``dims``."""
    return first(candidates(next(dim for dim in case.dims if dim.name == name), dims, case.zero))


def elements(case: Case, dims: Mapping[str, int], outputs: OutputSize) -> float:
    """The approximate number of elements of all tensors of a call."""
    inputs = sum(prod(max(int(size.evaluate(dims)), 0) for size in tensor.shape) for tensor in case.tensors)
    return inputs + outputs.guess(dims)


def smallest(case: Case, *, zero: bool | None = None) -> tuple[dict[str, int], dict[str, int]]:
    """The smallest legal sizes and integer scalars.

    Dims are 0 only if ``zero`` is true, or if no other sizes are legal. Raises CaseError if no legal sizes were found.
    """
    for allow_zero in [case.zero] if zero else [False, case.zero]:
        for least in (0,) if zero else (1, 0):
            for found in _combinations(case, allow_zero, least):
                return found
    where = ", ".join(condition.text for condition in case.where) or "no conditions"
    problem = f"no sizes were found that meet 'dims' and 'where' ({where}); widen one of them"
    raise CaseError(f"case '{case.name}': {problem}", case.path)


def _combinations(case: Case, zero: bool, least: int) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    budget = _SEARCH
    dims, scalars = case.dims, integer_scalars(case)
    names = [*(dim.name for dim in dims), *(scalar.name for scalar in scalars)]

    def values(known: dict[str, int]) -> Sequence[int]:
        if len(known) < len(dims):
            return [size for size in _few(candidates(dims[len(known)], known, zero)) if size >= least]
        return _few(scalar_options(scalars[len(known) - len(dims)], known))

    def walk(known: dict[str, int]) -> Iterator[dict[str, int]]:
        nonlocal budget
        if len(known) == len(names):
            yield known
            return
        for value in values(known):
            budget -= 1
            if budget < 0:
                return
            further = {**known, names[len(known)]: value}
            if violated(case, further) is None:
                yield from walk(further)

    for found in walk({}):
        yield {dim.name: found[dim.name] for dim in dims}, {scalar.name: found[scalar.name] for scalar in scalars}


def _few(options: Options) -> Sequence[int]:
    if not isinstance(options, range):
        return options
    low, high = options.start, options.stop - 1
    special = (size for size in SPECIAL if low + 64 < size <= high)
    return [*range(low, min(high, low + 64) + 1), *special, *([high] if high > low + 64 else [])]


def upper_halves(case: Case, outputs: OutputSize, limit: float) -> list[tuple[str, ...]]:
    """The combinations of dims that can be in the upper half of their ranges at the same time, up to a fixed number."""
    names = [dim.name for dim in case.dims if not dim.fixed]
    combinations = (c for size in range(1, len(names) + 1) for c in itertools.combinations(names, size))
    chooser = _Chooser(case, outputs, limit)
    return [upper for upper in itertools.islice(combinations, _COMBINATIONS) if chooser.lowest(upper) is not None]


def choose(
    case: Case,
    outputs: OutputSize,
    limit: float,
    focus: int,
    steps: Sequence[int],
    *,
    full: bool = False,
    upper: Sequence[str] = (),
) -> tuple[dict[str, int], dict[str, int]] | None:
    """Choose sizes and integer scalars by ``steps``, one step per dim and scalar.

    Returns None if no sizes near the chosen ones meet the conditions. The dim at index ``focus`` may use up all of
    ``limit`` elements, and the other dims share what is left. ``full`` asks for as many elements as the limit and the
    bounds allow. If ``upper`` is given, these dims are in the upper half of their range, all others in the lower half.
    """
    chooser = _Chooser(case, outputs, limit)
    dims = chooser.halves(steps, upper) if upper else chooser.dims(focus, steps, full)
    if dims is None:
        return None
    scalars = chooser.scalars(dims, steps[len(case.dims) :])
    return None if scalars is None else (dims, scalars)


class _Chooser:
    def __init__(self, case: Case, outputs: OutputSize, limit: float) -> None:
        self.case, self.outputs, self.limit = case, outputs, limit

    def dims(self, focus: int, steps: Sequence[int], full: bool) -> dict[str, int] | None:
        lowest: dict[str, int] = {}
        for dim in self.case.dims:
            if not (options := candidates(dim, lowest, self.case.zero)):
                return None
            lowest[dim.name] = options[0]
        if self.case.dims and not full:
            dim = self.case.dims[focus]
            size = self._size(dim, steps[focus], lowest, lowest, conditions=False)
            lowest[dim.name] = lowest[dim.name] if size is None else size
        known: dict[str, int] = {}
        for dim, step in zip(self.case.dims, steps, strict=False):
            if (size := self._size(dim, step, {**lowest, **known}, known, conditions=True)) is None:
                return None
            known[dim.name] = size
        if full:
            self._grow(known, focus)
        return None if violated(self.case, known) else known

    def lowest(self, upper: Sequence[str]) -> dict[str, int] | None:
        """The smallest sizes with the dims in ``upper`` in the upper half of their range.

        None if there are no such sizes within the limit.
        """
        found: dict[str, int] = {}
        for dim in self.case.dims:
            if not (options := self._half(candidates(dim, found, self.case.zero), dim.name in upper)):
                return None
            found[dim.name] = first(options)
        return found if self._fits(found) else None

    def halves(self, steps: Sequence[int], upper: Sequence[str]) -> dict[str, int] | None:
        """Sizes with the dims in ``upper`` in the upper half of their range, and the other dims in the lower half."""
        lowest = self.lowest(upper)
        known: dict[str, int] = {}
        for dim, step in zip(self.case.dims, steps, strict=False):
            options = self._half(candidates(dim, known, self.case.zero), dim.name in upper)
            if lowest is None or not options:
                return None
            if isinstance(options, range):
                low, top = options.start, self._largest(dim.name, options, {**lowest, **known})
                size = (of_upper_half if dim.name in upper else of_range)(low, top).pick(step)
                known[dim.name] = found = self._repaired(dim.name, size, low, top, known) or low
            else:
                known[dim.name] = found = options[len(options) * step // STEPS]
            lowest = {**lowest, dim.name: found}
        return None if violated(self.case, known) else known

    def _half(self, options: Options, upper: bool) -> Options:
        """The sizes in the upper or the lower half of ``options``. A single size counts as both halves."""
        if len(options) < 2:
            return options
        middle = (options[0] + options[-1]) // 2
        if isinstance(options, range):
            return range(middle + 1, options.stop) if upper else range(options.start, middle + 1)
        return tuple(size for size in options if (size > middle) == upper)

    def scalars(self, dims: dict[str, int], steps: Sequence[int]) -> dict[str, int] | None:
        chosen: dict[str, int] = {}
        for scalar, step in zip(integer_scalars(self.case), steps, strict=True):
            options, known = scalar_options(scalar, dims), {**dims, **chosen}
            value: int | None
            if not options:
                return None
            if isinstance(options, range):
                low, high = options.start, options.stop - 1
                wanted = of_range(low, high).pick(step) if low >= 0 else at_step(options, step)
                value = self._repaired(scalar.name, wanted, low, high, known)
            else:
                rotated = options[len(options) * step // STEPS :] + options
                value = next((v for v in rotated if violated(self.case, {**known, scalar.name: v}) is None), None)
            if value is None:
                return None
            chosen[scalar.name] = value
        return chosen

    def _size(
        self, dim: Dim, step: int, guess: Mapping[str, int], earlier: Mapping[str, int], *, conditions: bool
    ) -> int | None:
        """The size of a dim at a step. The other dims in ``guess`` determine how many elements this dim may use."""
        options = candidates(dim, earlier, self.case.zero)
        if not isinstance(options, range):
            fitting = tuple(size for size in options if self._fits({**guess, dim.name: size})) or options[:1]
            if conditions:
                fitting = tuple(s for s in fitting if violated(self.case, {**earlier, dim.name: s}) is None)
            return of_sizes(fitting).pick(step) if fitting else None
        if not options:
            return None
        low, top = options.start, self._largest(dim.name, options, guess)
        size = of_range(low, top).pick(step)
        return self._repaired(dim.name, size, low, top, earlier) if conditions else size

    def _repaired(self, name: str, wanted: int, low: int, high: int, known: Mapping[str, int]) -> int | None:
        """A value near ``wanted`` that meets the conditions, or None. Smaller values are tried before larger ones."""
        relevant = [c for c in self.case.where if name in c.names and c.names <= {*known, name}]
        if not relevant:
            return wanted
        below = range(wanted, max(low, wanted - _PROBES) - 1, -1)
        above = range(wanted + 1, min(high, wanted + _PROBES) + 1)
        related = [value for value in known.values() if low <= value <= high]
        nearest: tuple[int, ...] = (*below, *above, *related, low, high)
        for value in nearest:
            if all(condition.evaluate({**known, name: value}) for condition in relevant):
                return value
        return None

    def _grow(self, known: dict[str, int], focus: int) -> None:
        """Raise the dims, first the dim in focus, as far as the limit, the bounds and the conditions allow."""
        for index in [focus, *(index for index in range(len(self.case.dims)) if index != focus)]:
            dim = self.case.dims[index]
            options = candidates(dim, known, self.case.zero)
            if not isinstance(options, range):
                continue
            others = {name: size for name, size in known.items() if name != dim.name}
            top = self._largest(dim.name, options, known)
            size = self._repaired(dim.name, top, options.start, options.stop - 1, others)
            if size is not None and size > known[dim.name]:
                larger = {**known, dim.name: size}
                if self._fits(larger) and problem(self.case, larger, {}) is None:
                    known[dim.name] = size

    def _largest(self, name: str, options: range, guess: Mapping[str, int]) -> int:
        """The largest size of a dim that keeps the call within the limit. If no size does, the smallest size."""
        below, above = options.start, options.stop - 1
        if self._fits({**guess, name: above}):
            return above
        while above - below > 1:
            middle = (below + above) // 2
            if self._fits({**guess, name: middle}):
                below = middle
            else:
                above = middle
        return below

    def _fits(self, dims: Mapping[str, int]) -> bool:
        return elements(self.case, dims, self.outputs) <= self.limit
