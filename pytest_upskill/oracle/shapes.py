"""Chooses the sizes of a call: within the declared bounds, under the case's conditions, under a limit of elements.

Knows cases and ladders; takes its choices as plain steps, so that Hypothesis (or a hash) can make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle import size_distribution

SMALL_LIMIT = 1 << 14
"""Elements of most examples, all tensors together."""

_PROBES = 512
"""How far from a chosen size we look for one that meets the conditions."""

_SEARCH = 20_000
"""Combinations that are tried for the smallest legal sizes."""

Fits = Callable[[Mapping[str, int]], bool]


@dataclass(frozen=True, slots=True)
class OutputSize:
    """A rough guess of the outputs' elements: ``elements`` at ``base``, growing with a power of each dim."""

    base: Mapping[str, int] = field(default_factory=dict)
    elements: int = 0
    powers: Mapping[str, int] = field(default_factory=dict)

    def guess(self, dims: Mapping[str, int]) -> float:
        guess = float(self.elements)
        for name, power in self.powers.items():
            guess *= (max(dims[name], 1) / max(self.base[name], 1)) ** power
        return guess


def candidates(dim: Dim, known: Mapping[str, int], zero: bool) -> tuple[int, int] | tuple[int, ...]:
    """``(low, high)`` of a range as a pair, or all sizes of a list in order, given the earlier dims.

    ``zero`` lets a range that starts at 1 start at 0.
    """
    if isinstance(dim.sizes, Choices):
        return tuple(sorted(int(size) for size in dim.sizes.options))
    low, high = int(dim.sizes.low.evaluate(known)), int(dim.sizes.high.evaluate(known))
    return (0 if zero and low == 1 else low), high


def least(case: Case, name: str, dims: Mapping[str, int]) -> int:
    """The smallest size that a dim may have beside the others."""
    known: dict[str, int] = {}
    for dim in case.dims:
        if dim.name == name:
            return candidates(dim, known, case.zero)[0]
        known[dim.name] = dims[dim.name]
    raise KeyError(name)


def elements(case: Case, dims: Mapping[str, int], outputs: OutputSize) -> float:
    """Elements of all tensors of a call, roughly."""
    inputs = sum(prod(max(int(size.evaluate(dims)), 0) for size in tensor.shape) for tensor in case.tensors)
    return inputs + outputs.guess(dims)


def integer_scalars(case: Case) -> tuple[ScalarSpec, ...]:
    """The scalars that are drawn on their own, because conditions may hang on them: integers and bools."""
    return tuple(scalar for scalar in case.scalars if scalar.kind != "float")


def scalar_options(scalar: ScalarSpec, dims: Mapping[str, int]) -> tuple[int, int] | tuple[int, ...]:
    """``(low, high)`` of a range as a pair, or all values of a list as given."""
    if isinstance(scalar.values, Range):
        return int(scalar.values.low.evaluate(dims)), int(scalar.values.high.evaluate(dims))
    return tuple(int(value) for value in scalar.values.options)


def violated(case: Case, values: Mapping[str, int]) -> str | None:
    """The first condition of ``where`` that does not hold, of those whose names are all known."""
    for condition in case.where:
        if condition.names <= values.keys() and not condition.evaluate(values):
            return condition.text
    return None


def problem(case: Case, dims: Mapping[str, int], scalars: Mapping[str, int]) -> str | None:
    """Which rule of the case these sizes and scalars break, None where they are legal."""
    known: dict[str, int] = {}
    for dim in case.dims:
        allowed = candidates(dim, known, case.zero)
        size = dims[dim.name]
        if isinstance(dim.sizes, Range) and not allowed[0] <= size <= allowed[1]:
            return f"'{dim.name}' must be {allowed[0]} to {allowed[1]}"
        if isinstance(dim.sizes, Choices) and size not in allowed:
            return f"'{dim.name}' must be one of {', '.join(map(str, allowed))}"
        known[dim.name] = size
    for scalar in integer_scalars(case):
        allowed = scalar_options(scalar, dims)
        value = scalars.get(scalar.name, allowed[0])
        if isinstance(scalar.values, Range) and not allowed[0] <= value <= allowed[1]:
            return f"'{scalar.name}' must be {allowed[0]} to {allowed[1]}"
        if isinstance(scalar.values, Choices) and value not in allowed:
            return f"'{scalar.name}' must be one of {', '.join(map(str, allowed))}"
    broken = violated(case, {**dims, **scalars})
    return f"the case says 'where: {broken}'" if broken else None


# ------------------------------------------------------------------------------------------- the smallest


def smallest(case: Case, *, zero: bool | None = None) -> tuple[dict[str, int], dict[str, int]]:
    """The smallest legal sizes and integer scalars; sizes of 0 only where nothing else is legal, or ``zero`` asks.

    Raises CaseError where none was found.
    """
    options = [case.zero] if zero else [False, case.zero]
    for allow_zero in options:
        for least in (0,) if zero else (1, 0):
            for found in _combinations(case, allow_zero, least):
                return found
    message = (
        f"case '{case.name}': no sizes were found that meet 'dims' and 'where' "
        f"({', '.join(condition.text for condition in case.where) or 'no conditions'}); widen one of them"
    )
    raise CaseError(message, case.path)


def _combinations(case: Case, zero: bool, least: int) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    budget = [_SEARCH]
    scalars = integer_scalars(case)

    def values(index: int, known: dict[str, int]) -> Sequence[int]:
        if index < len(case.dims):
            dim = case.dims[index]
            allowed = candidates(dim, known, zero)
            steps = _few(*allowed) if isinstance(dim.sizes, Range) else allowed
            return [size for size in steps if size >= least]
        scalar = scalars[index - len(case.dims)]
        options = scalar_options(scalar, known)
        return _few(*options) if isinstance(scalar.values, Range) else options

    def walk(index: int, known: dict[str, int]) -> Iterator[dict[str, int]]:
        if index == len(case.dims) + len(scalars):
            yield dict(known)
            return
        name = case.dims[index].name if index < len(case.dims) else scalars[index - len(case.dims)].name
        for value in values(index, known):
            budget[0] -= 1
            if budget[0] < 0:
                return
            known[name] = value
            if violated(case, known) is None:
                yield from walk(index + 1, known)
            del known[name]

    for found in walk(0, {}):
        yield {dim.name: found[dim.name] for dim in case.dims}, {scalar.name: found[scalar.name] for scalar in scalars}


def _few(low: int, high: int) -> list[int]:
    near = range(low, min(high, low + 64) + 1)
    return [
        *near,
        *(size for size in size_distribution.SPECIAL if low + 64 < size <= high),
        *([high] if high > low + 64 else []),
    ]


# ------------------------------------------------------------------------------------------- chosen by steps


def choose(
    case: Case, outputs: OutputSize, limit: float, focus: int, steps: Sequence[int], *, full: bool = False
) -> tuple[dict[str, int], dict[str, int]] | None:
    """Sizes and integer scalars for one step per dim and scalar; None where the conditions cannot be met from there.

    The dim at index ``focus`` may take all of ``limit`` elements, the others share what it leaves. ``full`` asks for as
    many elements as the limit and the bounds allow.
    """
    chooser = _Chooser(case, outputs, limit, full)
    dims = chooser.dims(focus, steps)
    if dims is None:
        return None
    scalars = chooser.scalars(dims, steps[len(case.dims) :])
    return None if scalars is None else (dims, scalars)


class _Chooser:
    def __init__(self, case: Case, outputs: OutputSize, limit: float, full: bool) -> None:
        self.case, self.outputs, self.limit, self.full = case, outputs, limit, full

    def dims(self, focus: int, steps: Sequence[int]) -> dict[str, int] | None:
        least = self._least()
        if least is None:
            return None
        if self.case.dims and not self.full:
            self._choose_one(focus, steps[focus], least, conditions=False)
        known: dict[str, int] = {}
        for index, dim in enumerate(self.case.dims):
            guess = {**least, **known}
            if not self._choose_one(index, steps[index], guess, conditions=True, known=known):
                return None
            known[dim.name] = guess[dim.name]
        if self.full:
            self._grow(known, focus)
        return None if violated(self.case, known) else known

    def scalars(self, dims: dict[str, int], steps: Sequence[int]) -> dict[str, int] | None:
        known = dict(dims)
        chosen: dict[str, int] = {}
        for scalar, step in zip(integer_scalars(self.case), steps, strict=True):
            options = scalar_options(scalar, dims)
            if isinstance(scalar.values, Range):
                low, high = options
                wanted = (
                    size_distribution.of_range(low, high).pick(step)
                    if low >= 0
                    else low + (high - low + 1) * step // size_distribution.STEPS
                )
                value = self._repaired(scalar.name, wanted, low, high, known)
            else:
                rotated = options[len(options) * step // size_distribution.STEPS :] + options
                value = next((v for v in rotated if violated(self.case, {**known, scalar.name: v}) is None), None)
            if value is None:
                return None
            known[scalar.name] = chosen[scalar.name] = value
        return chosen

    def _least(self) -> dict[str, int] | None:
        known: dict[str, int] = {}
        for dim in self.case.dims:
            allowed = candidates(dim, known, self.case.zero)
            if not allowed or (isinstance(dim.sizes, Range) and allowed[0] > allowed[1]):
                return None
            known[dim.name] = allowed[0]
        return known

    def _choose_one(
        self, index: int, step: int, guess: dict[str, int], *, conditions: bool, known: Mapping[str, int] | None = None
    ) -> bool:
        """Set the dim in ``guess``, whose other dims say how many elements are left for it."""
        dim = self.case.dims[index]
        earlier = guess if known is None else known
        allowed = candidates(dim, earlier, self.case.zero)
        if isinstance(dim.sizes, Choices):
            fitting = tuple(size for size in allowed if self._fits({**guess, dim.name: size})) or allowed[:1]
            if conditions:
                fitting = tuple(s for s in fitting if violated(self.case, {**earlier, dim.name: s}) is None)
            if fitting:
                guess[dim.name] = size_distribution.of_sizes(fitting).pick(step)
            return bool(fitting)
        low, high = allowed
        if low > high:
            return False
        top = self._largest(dim.name, low, high, guess)
        size: int | None = size_distribution.of_range(low, top).pick(step)
        if conditions:
            size = self._repaired(dim.name, size or 0, low, top, earlier)
        if size is not None:
            guess[dim.name] = size
        return size is not None

    def _repaired(self, name: str, wanted: int, low: int, high: int, known: Mapping[str, int]) -> int | None:
        """The nearest value that meets the conditions, smaller ones first."""
        relevant = [c for c in self.case.where if name in c.names and c.names <= {*known, name}]
        if not relevant:
            return wanted
        below, above = (
            range(wanted, max(low, wanted - _PROBES) - 1, -1),
            range(wanted + 1, min(high, wanted + _PROBES) + 1),
        )
        related = [value for value in known.values() if low <= value <= high]
        nearest: tuple[int, ...] = (*below, *above, *related, low, high)
        for value in nearest:
            if all(condition.evaluate({**known, name: value}) for condition in relevant):
                return value
        return None

    def _grow(self, known: dict[str, int], focus: int) -> None:
        """Raise the dims, the one in focus first, as far as limit, bounds and conditions let them."""
        order = [focus, *(index for index in range(len(self.case.dims)) if index != focus)]
        for index in order:
            dim = self.case.dims[index]
            if isinstance(dim.sizes, Choices):
                continue
            low, high = candidates(dim, known, self.case.zero)
            others = {name: size for name, size in known.items() if name != dim.name}
            top = self._largest(dim.name, low, high, known)
            size = self._repaired(dim.name, top, low, high, others)
            if size is not None and size > known[dim.name] and self._legal({**known, dim.name: size}):
                known[dim.name] = size

    def _legal(self, dims: Mapping[str, int]) -> bool:
        return self._fits(dims) and problem(self.case, dims, {}) is None

    def _largest(self, name: str, low: int, high: int, guess: Mapping[str, int]) -> int:
        """The largest size from ``low`` to ``high`` that keeps the call under the limit; ``low`` where none does."""
        if self._fits({**guess, name: high}):
            return high
        below, above = low, high
        while above - below > 1:
            middle = (below + above) // 2
            if self._fits({**guess, name: middle}):
                below = middle
            else:
                above = middle
        return below

    def _fits(self, dims: Mapping[str, int]) -> bool:
        return elements(self.case, dims, self.outputs) <= self.limit
