"""Draws examples with Hypothesis, and reads them back from their text.

Every number is drawn from ``_BASE`` on: in a range without Hypothesis's favourite constants, and without those that it
collects from the user's modules, it draws evenly, and the same in every process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache

from hypothesis import assume
from hypothesis import strategies as st

from pytest_upskill.cases.case import Case, Choices, ScalarSpec
from pytest_upskill.documents.spelling import did_you_mean
from pytest_upskill.errors import UsageError
from pytest_upskill.oracle.families import FAMILIES, INTEGERS, WEIGHTED
from pytest_upskill.oracle.shapes import SMALL_LIMIT, OutputSize, choose, integer_scalars, problem
from pytest_upskill.oracle.size_distribution import STEPS
from pytest_upskill.oracle.values import complete, single, uses_family
from pytest_upskill.records import Example

SEEDS = 10_000_000
"""Seeds have up to seven digits: enough to seldom repeat, short enough to read out."""

_BASE = 7 * 10**30
_LEVELS = 96
"""Steps in which the element limit of large examples grows from 2^14 to its maximum."""

LARGEST = 1 << 20
"""Default number of elements of large examples, all tensors together."""


def families(case: Case, *, linear: bool) -> tuple[str, ...]:
    """What an example's family is drawn from, simplest first; for a linear reference, one in six is whole numbers."""
    usual = WEIGHTED if uses_family(case) else ("",) * 5
    return (*usual, *(INTEGERS,) * (len(usual) // 5)) if linear else usual


def forced(case: Case, *, linear: bool) -> str:
    """The family of some large examples, for which an error at a single element cannot disappear in a wide bound."""
    return INTEGERS if linear else "outliers" if uses_family(case) else ""


def examples(
    case: Case,
    outputs: OutputSize,
    dtype: str,
    *,
    large: bool,
    largest: int = LARGEST,
    among: tuple[str, ...] = (),
    upper: tuple[str, ...] = (),
) -> st.SearchStrategy[Example]:
    """Examples of one dtype, with up to 2^14 elements or, if ``large``, up to ``largest``. They shrink to few and
    simple elements. Their families are drawn from ``among``. With a single one, the simplest example (seed 0) is
    left out, and the smaller half of the large examples. With ``upper``, these dims are in the upper half of their
    range, the others in the lower half.
    """
    doublings = math.log2(largest / SMALL_LIMIT)
    named = among or families(case, linear=False)

    @st.composite
    def build(draw: Callable[[st.SearchStrategy[int]], int]) -> Example:
        level = draw(_below(_LEVELS + 1)) if large and not upper else _LEVELS * large
        assume(not large or len(named) > 1 or level >= _LEVELS // 2)
        focus = draw(_below(max(len(case.dims), 1)))
        steps = [draw(_below(STEPS)) for _ in (*case.dims, *integer_scalars(case))]
        family = named[draw(_below(len(named)))]
        seed = draw(_below(SEEDS))
        assume(len(named) > 1 or seed > 0)
        limit = SMALL_LIMIT * 2 ** (doublings * level / _LEVELS)
        chosen = choose(case, outputs, limit, focus, steps, full=level > 0, upper=upper)
        assume(chosen is not None)
        assert chosen is not None
        return Example(chosen[0], dtype, seed, family, chosen[1])

    return build()


@lru_cache(maxsize=256)
def _below(count: int) -> st.SearchStrategy[int]:
    return st.integers(_BASE, _BASE + count - 1).map(lambda number: number - _BASE)


def parse_example(text: str, case: Case) -> Example:
    """The example that a text such as ``rows=1 cols=33 dtype=float16 seed=7 alpha=0.5`` names, complete.

    Dims of one size, the dtype of a case that has one, ``values`` and scalars may be left out. Raises UsageError.
    """
    given = _pieces(text, case)
    dims = {}
    for dim in case.dims:
        fixed = str(int(dim.sizes.options[0])) if dim.fixed and isinstance(dim.sizes, Choices) else None
        dims[dim.name] = _whole(case, dim.name, given.get(dim.name, fixed))
    dtype = given.get("dtype", case.dtypes[0] if len(case.dtypes) == 1 else "")
    if dtype not in case.dtypes:
        missing = "" if dtype else "it is missing; "
        raise _bad(case, f"dtype={dtype}" if dtype else "dtype", f"{missing}the case has {', '.join(case.dtypes)}")
    seed, family = _whole(case, "seed", given.get("seed")), given.get("values", "")
    if family and family not in (*FAMILIES, INTEGERS):
        raise _bad(case, f"values={family}", f"'values' must be one of {', '.join((*FAMILIES, INTEGERS))}")
    _check_dims(case, dims)
    scalars = {s.name: _scalar(case, s, given[s.name], dims) for s in case.scalars if s.name in given}
    example = complete(case, Example(dims, dtype, seed, family, scalars))
    if broken := problem(case, example.dims, example.scalars):
        raise _bad(case, text, broken)
    return example


def _pieces(text: str, case: Case) -> dict[str, str]:
    known = [*(dim.name for dim in case.dims), *(s.name for s in case.scalars), "dtype", "seed", "values"]
    found: dict[str, str] = {}
    for piece in text.split():
        name, equals, value = piece.partition("=")
        if not equals or not value:
            raise _bad(case, piece, "each piece must be name=value, without spaces")
        if name not in known:
            raise _bad(case, piece, f"'{name}' must be one of {', '.join(known)}{did_you_mean(name, known)}")
        if name in found:
            raise _bad(case, piece, f"'{name}' is given twice")
        found[name] = value
    return found


def _whole(case: Case, name: str, value: str | None) -> int:
    if value is None:
        raise _bad(case, name, "it is missing")
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise _bad(case, f"{name}={value}", f"'{name}' must be a whole number, not negative")
    return int(value)


def _scalar(case: Case, scalar: ScalarSpec, value: str, dims: dict[str, int]) -> float:
    name = scalar.name
    if scalar.kind == "float":
        return _real(case, scalar, value, dims)
    whole = {"true": "1", "false": "0"}.get(value.lower(), value)
    if not re.fullmatch(r"-?[0-9]{1,18}", whole):
        raise _bad(case, f"{name}={value}", f"'{name}' must be a whole number (0 or 1 for a bool)")
    return int(whole)


def _real(case: Case, scalar: ScalarSpec, text: str, dims: dict[str, int]) -> float:
    """A float32 value. Values that the case's own function for inputs draws may be outside of what 'args' says."""
    try:
        value = float(text)
    except ValueError:
        raise _bad(case, f"{scalar.name}={text}", f"'{scalar.name}' must be a number") from None
    if isinstance(scalar.values, Choices):
        options = [float(option) for option in scalar.values.options]
        legal, rule = single(value) in map(single, options), f"must be one of {', '.join(map(str, options))}"
    else:
        low, high = float(scalar.values.low.evaluate(dims)), float(scalar.values.high.evaluate(dims))
        legal = low <= value <= high or low <= single(value) <= high
        value, rule = single(value, low, high) if legal else value, f"must be {low:g} to {high:g}"
    if not legal and case.inputs is None:
        raise _bad(case, f"{scalar.name}={text}", f"'{scalar.name}' {rule}")
    return single(value)


def _check_dims(case: Case, dims: dict[str, int]) -> None:
    try:
        broken = problem(case, dims, {})
    except ValueError as error:
        broken = str(error)
    # Conditions on scalars are checked once the scalars are complete.
    if broken and not broken.startswith("the case says"):
        raise _bad(case, " ".join(f"{name}={size}" for name, size in dims.items()), broken)


def _bad(case: Case, piece: str, rule: str) -> UsageError:
    dims = " ".join(f"{dim.name}=33" for dim in case.dims)
    form = f"{dims} dtype={case.dtypes[0]} seed=7".strip()
    return UsageError(f"example '{piece}' of case '{case.name}': {rule}. Write it as '{form}'")
