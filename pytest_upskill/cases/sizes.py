"""Finds the sizes and integer scalars that a case allows by its bounds, lists and conditions."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases.case import Case, Choices, Dim, ScalarSpec

Options = range | tuple[int, ...]
"""The values that a dim or an integer scalar may have, given the earlier ones: a range (may be empty), or a list."""


def candidates(dim: Dim, known: Mapping[str, int], zero: bool) -> Options:
    """The sizes of a dim in order, given the earlier dims. If ``zero``, a range that starts at 1 also has size 0."""
    if isinstance(dim.sizes, Choices):
        return tuple(sorted(int(size) for size in dim.sizes.options))
    low, high = int(dim.sizes.low.evaluate(known)), int(dim.sizes.high.evaluate(known))
    return range(0 if zero and low == 1 else low, high + 1)


def scalar_options(scalar: ScalarSpec, dims: Mapping[str, int]) -> Options:
    """The values of an integer scalar. A list is returned in the case's order."""
    if isinstance(scalar.values, Choices):
        return tuple(int(value) for value in scalar.values.options)
    return range(int(scalar.values.low.evaluate(dims)), int(scalar.values.high.evaluate(dims)) + 1)


def first(options: Options) -> int:
    """The first value. For an empty range, its lower bound."""
    return options.start if isinstance(options, range) else options[0]


def integer_scalars(case: Case) -> tuple[ScalarSpec, ...]:
    """The scalars that are drawn like dims, because conditions may depend on them: integers and bools."""
    return tuple(scalar for scalar in case.scalars if scalar.kind != "float")


def violated(case: Case, values: Mapping[str, int]) -> str | None:
    """The first condition of ``where`` that ``values`` violate, or None.

    A condition with a name that is not in ``values`` is skipped.
    """
    for condition in case.where:
        if condition.names <= values.keys() and not condition.evaluate(values):
            return condition.text
    return None


def problem(case: Case, dims: Mapping[str, int], scalars: Mapping[str, float]) -> str | None:
    """The rule of the case that these sizes and scalars break, or None if they are legal."""
    known: dict[str, int] = {}
    for dim in case.dims:
        options = candidates(dim, known, case.zero)
        if dims[dim.name] not in options and dims[dim.name] != case.speed.get(dim.name):
            return _rule(dim.name, options)
        known[dim.name] = dims[dim.name]
    for scalar in integer_scalars(case):
        options = scalar_options(scalar, dims)
        if scalars.get(scalar.name, first(options)) not in options:
            return _rule(scalar.name, options)
        if scalar.name in scalars:
            known[scalar.name] = int(scalars[scalar.name])
    broken = violated(case, known)
    return f"the case says 'where: {broken}'" if broken else None


def _rule(name: str, options: Options) -> str:
    if isinstance(options, range):
        return f"'{name}' must be {options.start} to {options.stop - 1}"
    return f"'{name}' must be one of {', '.join(map(str, options))}"
