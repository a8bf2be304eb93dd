"""The shapes of results in terms of the dims, as a prompt can state them: read off a few runs of the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import CaseError
from pytest_upskill.oracle import size_distribution
from pytest_upskill.oracle.isolation import isolated, stable_hash
from pytest_upskill.oracle.reference import Reference, load_inputs, run_eager
from pytest_upskill.oracle.shapes import OutputSize, choose, integer_scalars
from pytest_upskill.oracle.values import complete
from pytest_upskill.records import Example

_RUNS = 6
_ELEMENTS = 1 << 12

Size = Callable[[Mapping[str, int]], int]


def result_shapes(case: Case) -> dict[str, tuple[str, ...]]:
    """The sizes of each result: dims, expressions that the case's own shapes use, or numbers.

    A result whose shape these cannot tell is left out. Raises CaseError where the reference fails.
    """
    with isolated():
        runs = list(_runs(case))
    return {name: shape for name in (case.op.results if case.op else ()) if (shape := _told(case, name, runs))}


def _runs(case: Case) -> list[tuple[dict[str, int], dict[str, tuple[int, ...]]]]:
    """Sizes (dims and integer scalars) of a few examples, and the shapes of their results."""
    reference, source = Reference(case), load_inputs(case)
    count = len(case.dims) + len(integer_scalars(case))
    found = []
    for number in range(_RUNS):
        steps = [stable_hash("result shapes", number, index) % size_distribution.STEPS for index in range(count)]
        chosen = choose(case, OutputSize(), _ELEMENTS, number % max(len(case.dims), 1), steps)
        if chosen is None:
            continue
        dims, scalars = chosen
        example = complete(case, Example(dims, case.dtypes[0], number, "normal", scalars))
        try:
            results = run_eager(reference, source.arguments(example), example)
        except CaseError:
            continue  # told, with its place, when the example is judged
        if results is not None:
            found.append(({**dims, **scalars}, {name: tuple(value.shape) for name, value in results.items()}))
    return found


def _told(
    case: Case, name: str, runs: list[tuple[dict[str, int], dict[str, tuple[int, ...]]]]
) -> tuple[str, ...] | None:
    shapes = [(sizes, shapes[name]) for sizes, shapes in runs if name in shapes]
    if len(shapes) < 2 or len({len(shape) for _, shape in shapes}) != 1:
        return None
    axes = []
    for axis in range(len(shapes[0][1])):
        seen = [(sizes, shape[axis]) for sizes, shape in shapes]
        text = next((text for text, size in terms(case) if all(size(sizes) == got for sizes, got in seen)), None)
        if text is None and len({got for _, got in seen}) == 1:
            text = str(seen[0][1])
        if text is None:
            return None
        axes.append(text)
    return tuple(axes)


def terms(case: Case) -> list[tuple[str, Size]]:
    """What a size may be: a dim, a size of an argument, an integer scalar."""
    names = [*(dim.name for dim in case.dims), *(scalar.name for scalar in integer_scalars(case))]
    found: list[tuple[str, Size]] = [(name, lambda sizes, name=name: sizes[name]) for name in names]  # type: ignore[misc]
    for tensor in case.tensors:
        found += [(size.text, lambda sizes, size=size: int(size.evaluate(sizes))) for size in tensor.shape]  # type: ignore[misc]
    return found
