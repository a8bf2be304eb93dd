"""Suggestions: changes with which a case rejects a mutant that it accepts. Each was tried on a copy of the case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_upskill.case_quality.result_mutants import ResultTrial, Spoiled
from pytest_upskill.cases.case import Case, Choices, Dim, Range
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import UpskillError
from pytest_upskill.oracle import search
from pytest_upskill.oracle.draw import examples as example_strategy
from pytest_upskill.oracle.isolation import isolated, stable_hash
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.records import FLOATING, CallLayout, Example

SMALLEST_RANGE = 64
_TIMES = 4
_EXAMPLES = 12
_MORE_EXAMPLES = 60
_LARGEST = 1 << 17
"""Elements of the large examples."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed copy of a case; ``said`` describes it in messages, after "this is fixed"."""

    said: str
    case: Case
    examples: int = _EXAMPLES


def changes(case: Case, dtype: str) -> Iterator[Change]:
    """The changes that an author can make, the cheapest first."""
    if case.tolerance:
        yield Change("without the case's own 'tolerance'", replace(case, tolerance={}))
    for dim in case.dims:
        larger = _larger(dim)
        text = f"with larger dims, such as '{dim.name}: {larger.sizes.low}..{larger.sizes.high}'"  # type: ignore[union-attr]
        yield Change(text, replace(case, dims=tuple(larger if one is dim else one for one in case.dims)))
    yield from _other_values(case, dtype)
    yield Change(f"with more examples, such as 'examples: {_MORE_EXAMPLES}'", case, _MORE_EXAMPLES)


def _larger(dim: Dim) -> Dim:
    if isinstance(dim.sizes, Choices):
        high = max(_TIMES * int(max(dim.sizes.options)), SMALLEST_RANGE)
        return Dim(dim.name, Range(parse(1), parse(high)))
    known = dim.sizes.high.constant
    higher = (
        parse(max(_TIMES * int(known), SMALLEST_RANGE))
        if known is not None
        else parse(f"{_TIMES} * ({dim.sizes.high})")
    )
    return Dim(dim.name, Range(dim.sizes.low, higher))


def _other_values(case: Case, dtype: str) -> Iterator[Change]:
    if case.inputs is not None:
        yield Change("with other values, such as those drawn without '## Inputs'", replace(case, inputs=None))
    for tensor in case.tensors:
        if tensor.values is not None and (tensor.dtype or dtype) in FLOATING:
            free = tuple(replace(one, values=None) if one is tensor else one for one in case.arguments)
            text = f"with other values, such as those drawn without 'values' of '{tensor.name}'"
            yield Change(text, replace(case, arguments=free))


def suggestions(runner: ReferenceRunner, layout: CallLayout, spoiled: Sequence[Spoiled]) -> dict[Spoiled, str]:
    """The change (``Change.said``) with which the case kills each mutant; mutants that no change kills are absent.

    All mutants must be of one dtype, since they are tried together. ``runner`` is the case's own.
    """
    found: dict[Spoiled, str] = {}
    for change in changes(runner.case, spoiled[0][2]):
        left = {one for one in spoiled if one not in found}
        if not left:
            break
        # A change can make the case invalid, by its conditions or in its reference.
        with suppress(UpskillError, ValueError):
            found |= dict.fromkeys(_dying(change, runner, layout, left), change.said)
    return found


def _dying(change: Change, runner: ReferenceRunner, layout: CallLayout, left: set[Spoiled]) -> set[Spoiled]:
    dtype = next(iter(left))[2]
    changed = runner.for_copy(change.case)
    trial = ResultTrial(changed.other_results)
    with isolated():
        for prepared in drawn(changed, layout, dtype, change.examples):
            trial.add(prepared)
            if left <= trial.dead:
                break
    return left & trial.dead


def drawn(runner: ReferenceRunner, layout: CallLayout, dtype: str, count: int) -> Iterator[Prepared]:
    """Examples of a dtype, prepared for ``layout``. Call it within ``isolated``."""
    case, runner.layout = runner.case, layout
    for number, batch in enumerate(search.plan(dtype, count)):
        found: list[Example] = []
        strategy = example_strategy(case, runner.outputs, dtype, large=batch.large, largest=_LARGEST)
        search.generate(batch, strategy, stable_hash("remedy", case.text_hash, number), found.append)
        for example in found:
            prepared = runner.prepare(example)
            if isinstance(prepared, Prepared):
                yield prepared
