"""Draws examples with Hypothesis, and reads them back from their text.

Every number is drawn from a range that starts at ``_BASE``. Such a range contains none of the constants that Hypothesis
prefers or collects from the user's modules. So Hypothesis draws evenly, and draws the same numbers in every process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from hypothesis import assume
from hypothesis import strategies as st

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.example_text import BadExample, check_sizes, read_example
from pytest_upskill.cases.sizes import integer_scalars
from pytest_upskill.errors import UsageError
from pytest_upskill.oracle.families import INTEGERS, WEIGHTED
from pytest_upskill.oracle.shapes import SMALL_LIMIT, OutputSize, choose
from pytest_upskill.oracle.size_distribution import STEPS
from pytest_upskill.oracle.values import complete, uses_family
from pytest_upskill.records import Example

Draw = Callable[[st.SearchStrategy[int]], int]

SEEDS = 10_000_000
"""Seeds are below this number. With up to seven digits they seldom repeat, and a person can read them out."""

_BASE = 7 * 10**30
_LEVELS = 96
"""The number of steps in which the limit on elements of large examples grows from 2^14 to its maximum."""

LARGEST = 1 << 20
"""The largest number of elements of a large example by default, all tensors together."""


def families(case: Case, *, linear: bool) -> tuple[str, ...]:
    """The families of values among which an example's family is drawn, simplest first.

    For a linear reference, one entry in six is the family of whole numbers.
    """
    usual = WEIGHTED if uses_family(case) else ("",) * 5
    return (*usual, *(INTEGERS,) * (len(usual) // 5)) if linear else usual


def forced(case: Case, *, linear: bool) -> str:
    """The family that some examples must have. With it, a wide bound cannot hide an error at a single element."""
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
    """A strategy for examples of one dtype, with up to 2^14 elements or, if ``large``, up to ``largest`` elements.

    The examples shrink to few and simple elements. Their families are drawn from ``among``. If ``among`` has a single
    family, the simplest example (seed 0) and the smaller half of the large examples are left out. If ``upper`` names
    dims, these dims are in the upper half of their range, and all other dims are in the lower half.
    """
    doublings = math.log2(largest / SMALL_LIMIT)
    named = among or families(case, linear=False)

    def build(draw: Draw) -> Example:
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

    return _drawn(build)


@st.composite
def _drawn(draw: Draw, build: Callable[[Draw], Example]) -> Example:
    # This function exists so that it is decorated only once, because Hypothesis parses each function that it decorates.
    return build(draw)


@lru_cache(maxsize=256)
def _below(count: int) -> st.SearchStrategy[int]:
    return st.integers(_BASE, _BASE + count - 1).map(lambda number: number - _BASE)


def parse_example(text: str, case: Case) -> Example:
    """The complete example that a text such as ``rows=1 cols=33 dtype=float16 seed=7 alpha=0.5`` names.

    The text may leave out dims with a single size, the dtype if the case has only one, ``values`` and scalars.
    Raises UsageError if the text names no example of the case.
    """
    try:
        example = complete(case, read_example(text, case))
        check_sizes(case, text, example.dims, example.scalars)
    except BadExample as error:
        rule = error.rule if error.rule.endswith("?") else f"{error.rule}."
        raise UsageError(f"example '{error.piece}' of case '{case.name}': {rule} Write it as '{error.form}'") from None
    return example
