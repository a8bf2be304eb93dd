"""What a run tries of each dtype, whatever it draws: combinations of large dims, zeros, timed sizes, far values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.sizes import problem
from pytest_upskill.oracle.draw import SEEDS
from pytest_upskill.oracle.families import FAR
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.reference import empty_examples, smallest_example
from pytest_upskill.oracle.shapes import SMALL_LIMIT, OutputSize, upper_halves
from pytest_upskill.oracle.values import complete, uses_family
from pytest_upskill.records import Example

_FEW = 16
"""Fewer examples of a dtype are a quick look: timed sizes and far values are left out."""

_FAR_AMONG = 7
"""At least one of this many small examples has values far from zero."""


def large_together(case: Case, outputs: OutputSize, largest: int, dtype: str, seed: int) -> list[tuple[str, ...]]:
    """Which dims are large together in a dtype's large examples: as many as can be, and a share of all others."""
    found = upper_halves(case, outputs, largest)
    most = max(found, key=len, default=())
    others = sorted(found, key=lambda upper: stable_hash("upper halves", seed, *upper))
    return [most, *(upper for upper in others[case.dtypes.index(dtype) :: len(case.dtypes)] if upper != most)]


def required_examples(case: Case, dtype: str, seed: int, drawn: Sequence[tuple[Example, int]]) -> Iterator[Example]:
    """Examples of a dtype to try besides those that were ``drawn``, each of these with its number of elements."""
    smallest = smallest_example(case, dtype)
    # Conditions that sizes seldom meet must not leave a dtype untried, which would look like a pass.
    if not drawn:
        yield smallest
    if len(drawn) >= _FEW:
        yield from _timed(case, smallest, seed)
    yield from _far(case, seed, [one for one, elements in drawn if elements < SMALL_LIMIT])
    # Sizes of 0 are drawn seldom; each dim that may have one is tried with it at least once.
    sizes = [one.dims for one, _ in drawn]
    for name, example in empty_examples(case, dtype).items():
        if all(dims[name] != 0 for dims in sizes):
            yield example
            sizes.append(example.dims)


def _timed(case: Case, smallest: Example, seed: int) -> Iterator[Example]:
    """The sizes at which a prompt says that kernels are timed, one dim at a time; the dtypes share them."""
    for name, size in list(case.speed.items())[case.dtypes.index(smallest.dtype) :: len(case.dtypes)]:
        dims = {**smallest.dims, name: size}
        if problem(case, dims, smallest.scalars) is None:
            label = stable_hash("timed", seed, name) % SEEDS
            yield complete(case, Example(dims, smallest.dtype, label, "", smallest.scalars))


def _far(case: Case, seed: int, small: Sequence[Example]) -> Iterator[Example]:
    """Values far from zero, at sizes that were drawn."""
    wanted = len(small) // _FAR_AMONG if len(small) >= _FEW and uses_family(case) else 0
    for number in range(wanted - sum(one.values == FAR for one in small)):
        like = small[len(small) * (number + 1) // (wanted + 1)]
        yield replace(like, seed=stable_hash("far", seed, number) % SEEDS, values=FAR)
