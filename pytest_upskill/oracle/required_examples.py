"""The examples that a run tries for each dtype, whatever it draws.

These are combinations of large dims, the largest size of each dim, dims of 0, the sizes at which kernels are timed, and
values far from zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.sizes import candidates, problem
from pytest_upskill.oracle.draw import SEEDS
from pytest_upskill.oracle.families import FAR
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.reference import empty_examples, smallest_example
from pytest_upskill.oracle.shapes import SMALL_LIMIT, OutputSize, elements, upper_halves
from pytest_upskill.oracle.values import complete, uses_family
from pytest_upskill.records import Example

_FEW = 16
"""If a dtype has fewer examples than this, the run is a quick look: it leaves out timed sizes and far values."""

_FAR_AMONG = 7
"""At least one in this many small examples has values far from zero."""


def large_together(case: Case, outputs: OutputSize, largest: int, dtype: str, seed: int) -> list[tuple[str, ...]]:
    """The combinations of dims that are large together in a dtype's large examples.

    The first one has as many dims as possible. The other combinations are shared out among the dtypes.
    """
    found = upper_halves(case, outputs, largest)
    most = max(found, key=len, default=())
    others = sorted(found, key=lambda upper: stable_hash("upper halves", seed, *upper))
    return [most, *(upper for upper in others[case.dtypes.index(dtype) :: len(case.dtypes)] if upper != most)]


def required_examples(
    case: Case, outputs: OutputSize, largest: int, dtype: str, seed: int, drawn: Sequence[tuple[Example, int]]
) -> Iterator[Example]:
    """The examples of a dtype that must be tried besides the drawn examples.

    ``drawn`` holds each drawn example with its number of elements. Large examples have up to ``largest`` elements.
    """
    smallest = smallest_example(case, dtype)
    # If sizes seldom meet the case's conditions, no example may have been drawn, which would look like a pass.
    if not drawn:
        yield smallest
    if len(drawn) >= _FEW:
        yield from _timed(case, smallest, seed)
        by_size = [one.dims for one, _ in sorted(drawn, key=lambda one: -one[1])]
        yield from _at_ends(case, outputs, largest, smallest, seed, by_size)
    yield from _far(case, seed, [one for one, size in drawn if size < SMALL_LIMIT])
    # Sizes of 0 are seldom drawn, so each dim that may be 0 is tried with 0 at least once.
    sizes = [one.dims for one, _ in drawn]
    for name, example in empty_examples(case, dtype).items():
        if all(dims[name] != 0 for dims in sizes):
            yield example
            sizes.append(example.dims)


def _timed(case: Case, smallest: Example, seed: int) -> Iterator[Example]:
    """Examples in which one dim has the size at which, according to the prompt, kernels are timed.

    The dims are shared out among the dtypes.
    """
    for name, size in list(case.speed.items())[case.dtypes.index(smallest.dtype) :: len(case.dtypes)]:
        dims = {**smallest.dims, name: size}
        if problem(case, dims, smallest.scalars) is None:
            label = stable_hash("timed", seed, name) % SEEDS
            yield complete(case, Example(dims, smallest.dtype, label, "", smallest.scalars))


def _at_ends(
    case: Case, outputs: OutputSize, largest: int, smallest: Example, seed: int, known: Sequence[Mapping[str, int]]
) -> Iterator[Example]:
    """Examples in which one dim has its largest size, unless a drawn example has it.

    The other dims are those of the first example in ``known`` with which this one stays small, else the smallest. A
    launch with a block for each row fails at such a size, for example beyond 65,535 blocks along y. The dims are shared
    out among the dtypes.
    """
    for dim in case.dims[case.dtypes.index(smallest.dtype) :: len(case.dtypes)]:
        for others, limit in (*((one, SMALL_LIMIT) for one in known), (smallest.dims, largest)):
            dims = {**others, dim.name: candidates(dim, others, case.zero)[-1]}
            if elements(case, dims, outputs) <= limit and problem(case, dims, smallest.scalars) is None:
                if dims not in known:
                    label = stable_hash("end", seed, dim.name) % SEEDS
                    yield complete(case, Example(dims, smallest.dtype, label, "", smallest.scalars))
                break


def _far(case: Case, seed: int, small: Sequence[Example]) -> Iterator[Example]:
    """Examples with values far from zero, at sizes of drawn examples, as many as are missing."""
    wanted = len(small) // _FAR_AMONG if len(small) >= _FEW and uses_family(case) else 0
    for number in range(wanted - sum(one.values == FAR for one in small)):
        like = small[len(small) * (number + 1) // (wanted + 1)]
        yield replace(like, seed=stable_hash("far", seed, number) % SEEDS, values=FAR)
