"""Checks whether two cases ask for the same operator: their references give the same results on shared inputs.

The wording does not count. The other case's reference is called with a case's arguments, in each order in which the
kinds of the arguments fit, and compared with the case's own reference. Both run in the sandbox, on examples of either
case.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice, permutations

import torch

from pytest_upskill.case_quality.quality import drawn
from pytest_upskill.cases.case import Case, Choices, ScalarSpec, Snippet, TensorSpec
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import contract_of
from pytest_upskill.oracle.isolation import isolated
from pytest_upskill.oracle.prepare import Prepared
from pytest_upskill.oracle.reference import various_examples
from pytest_upskill.oracle.reference_runner import OpenRunner, ReferenceRunner
from pytest_upskill.records import CallLayout, ResultFacts, TensorArgument

EXAMPLES = 6
"""The number of shared examples of each domain. All of them must agree."""
_MOST_ORDERS = 24
RELATIVE = 1e-9
"""The relative tolerance for float64 results. Another order of the same computation differs by less."""

Arguments = tuple[TensorSpec | ScalarSpec, ...]


def duplicates_of(case: Case, others: Iterable[Case], open_runner: OpenRunner) -> list[Case]:
    """The cases among ``others`` that ask for the same operator. Raises SandboxError."""
    candidates = [(other, adapted) for other in others for adapted in adaptations(case, other)]
    agreeing = _agreeing(case, [adapted for _, adapted in candidates], open_runner)
    found = {one.name: one for (one, _), agrees in zip(candidates, agreeing, strict=True) if agrees}
    # A reference can agree on one domain by chance, as the identity agrees with relu on positive values.
    return [one for one in found.values() if any(_agreeing(one, list(adaptations(one, case)), open_runner))]


def adaptations(case: Case, other: Case) -> Iterator[Case]:
    """``case`` with the reference of ``other`` in place of its own reference; one copy for each order of the arguments
    that fits.
    """
    if case.op is None or other.op is None or other.reference is None or _result_count(case) != _result_count(other):
        return
    mine, theirs = case.arguments, other.arguments
    if len(mine) != len(theirs):  # a scalar that has only one value is a part of the formula
        mine, theirs = _varying(mine), _varying(theirs)
    if len(mine) != len(theirs):
        return
    for order in islice(filter(partial(_fits, theirs), permutations(mine)), _MOST_ORDERS):
        names = {spec.name: one.name for spec, one in zip(theirs, order, strict=True)}
        if (source := _adapted(case, other, names)) is not None:
            yield replace(case, reference=Snippet(source, other.reference.line, other.reference.path))


def _varying(arguments: Arguments) -> Arguments:
    return tuple(spec for spec in arguments if _only_value(spec) is None)


def _only_value(spec: TensorSpec | ScalarSpec) -> float | None:
    """The value of a scalar that can have only one value (``values: 1.0`` or ``values: 1..1``); otherwise None."""
    if isinstance(spec, TensorSpec):
        return None
    values = spec.values
    options = values.options if isinstance(values, Choices) else (str(values.low), str(values.high))
    try:
        low, *others = map(float, options)
    except ValueError:  # an end of the range is an expression of dims
        return None
    if any(one != low for one in others):
        return None
    return low if spec.kind == "float" else int(low)


def _fits(theirs: Arguments, order: Arguments) -> bool:
    return all(_alike(one, spec) for one, spec in zip(order, theirs, strict=True))


def _alike(one: TensorSpec | ScalarSpec, other: TensorSpec | ScalarSpec) -> bool:
    if isinstance(one, TensorSpec) and isinstance(other, TensorSpec):
        return one.dtype == other.dtype
    return isinstance(one, ScalarSpec) and isinstance(other, ScalarSpec) and one.kind == other.kind


def _result_count(case: Case) -> int:
    assert case.op is not None
    return len(case.op.results) + sum(argument.mutable for argument in case.op.arguments)


def _adapted(case: Case, other: Case, theirs: Mapping[str, str]) -> str | None:
    """Source text of the other case's reference, followed by a function that calls it, and that has the name of this
    case's reference. The results of the other reference become this case's returned results and then, in order, its
    results that are written in place. None if a dim of the other case cannot be derived.
    """
    assert case.op is not None and other.op is not None and other.reference is not None
    constants = {spec.name: _only_value(spec) for spec in other.arguments if spec.name not in theirs}
    dims, shapes = _dims(other, theirs), _shapes(case, other, theirs)
    if dims is None or shapes is None:
        return None
    to, back = shapes
    own = [spec.name for spec in case.arguments]
    passed = [f"{name}=_upskill_copies[{theirs[name]!r}]" for name in theirs]
    passed += [f"{name}={value!r}" for name, value in constants.items()]
    passed += [f"{name}={value}" for name, value in dims.items()]
    changed = [argument.name for argument in other.op.arguments if argument.mutable]
    given_back = [theirs[name] for name in changed]
    written = [argument.name for argument in case.op.arguments if argument.mutable]
    lines = [
        other.reference.source,
        f"_upskill_other = {other.op.name}",
        f"def {case.op.name}({', '.join(own)}):",
        f"    _upskill_given = {{{', '.join(f'{name!r}: {name}' for name in own)}}}",
        "    _upskill_copies = {",
        f"        k: v.clone(){to} if isinstance(v, torch.Tensor) else v for k, v in _upskill_given.items()",
        "    }",
        f"    _upskill_found = _upskill_other({', '.join(passed)})",
        f"    _upskill_found = {'_upskill_found' if len(other.op.results) > 1 else '(_upskill_found,)'}"
        if other.op.results
        else "    _upskill_found = ()",
        f"    _upskill_found = [*_upskill_found, *(_upskill_copies[k] for k in {given_back!r})]",
        f"    _upskill_found = [one{back} for one in _upskill_found]",
        f"    for _upskill_name, _upskill_value in zip({written!r}, _upskill_found[{len(case.op.results)}:]):",
        "        _upskill_given[_upskill_name].copy_(_upskill_value)",
        f"    return {_returned(len(case.op.results))}",
    ]
    return "\n".join(lines) + "\n"


def _returned(count: int) -> str:
    return "None" if not count else "_upskill_found[0]" if count == 1 else f"tuple(_upskill_found[:{count}])"


def _dims(other: Case, theirs: Mapping[str, str]) -> dict[str, str] | None:
    """Expressions for the dims that the other case's reference takes, from the shapes of this case's tensors. None if a
    dim is not the size of an axis.
    """
    found: dict[str, str] = {}
    for spec in other.tensors:
        for axis, size in enumerate(spec.shape):
            found.setdefault(str(size), f"_upskill_copies[{theirs[spec.name]!r}].shape[{axis}]")
    taken = _parameters(other) & {dim.name for dim in other.dims}
    return None if taken - found.keys() else {name: found[name] for name in sorted(taken)}


def _shapes(case: Case, other: Case, theirs: Mapping[str, str]) -> tuple[str, str] | None:
    """Two calls of ``reshape``, as source text: one for this case's tensors, so that they have the rank that the other
    case's reference takes, and one for its results, so that they have this case's shape.

    Both are empty if the ranks are equal. Elementwise operators do not depend on the rank; None if the ranks differ and
    the tensors of a case differ in shape, because such an operator may depend on it.
    """
    own = {spec.name: spec.shape for spec in case.tensors}
    pairs = [(own[theirs[spec.name]], spec.shape) for spec in other.tensors]
    if all(len(mine) == len(shape) for mine, shape in pairs):
        return "", ""
    if len({tuple(map(str, mine)) for mine, _ in pairs}) > 1 or len({tuple(map(str, shape)) for _, shape in pairs}) > 1:
        return None
    rank, first = len(pairs[0][1]), next(iter(own))
    return f".reshape({(*(1,) * (rank - 1), -1)})", f".reshape(_upskill_given[{first!r}].shape)"


def _parameters(case: Case) -> set[str]:
    assert case.op is not None and case.reference is not None
    for node in ast.parse(case.reference.source).body:
        if isinstance(node, ast.FunctionDef) and node.name == case.op.name:
            return {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    return set()


def _agreeing(case: Case, copies: Sequence[Case], open_runner: OpenRunner) -> list[bool]:
    """Whether each changed copy gives the case's own results on its examples. An error counts as a difference."""
    if not copies:
        return []
    with closing(open_runner(case)) as runner, isolated():
        try:
            near = list(_near(case, copies, runner))
            if not any(near):
                return near
            facts = runner.results()
            layout = contract_of(case).signature(case, facts).layout
            prepared = list(islice(drawn(runner, layout, case.dtypes[0], EXAMPLES), EXAMPLES))
        except CaseError:
            return [False] * len(copies)
        return [
            bool(prepared) and is_near and _agrees(runner.for_copy(copy), facts, layout, prepared)
            for copy, is_near in zip(copies, near, strict=True)
        ]


def _near(case: Case, copies: Sequence[Case], runner: ReferenceRunner) -> Iterator[bool]:
    """Whether each copy gives the case's own results on one small example. This takes about a hundredth of the time of
    preparing examples.
    """
    example = next(various_examples(case, "near", 8, runner.outputs, case.dtypes[0], "normal"), None)
    own = None if example is None else runner.other_results(example)
    for copy in copies:
        if example is None or own is None:
            yield True
            continue
        try:
            found = runner.for_copy(copy).other_results(example)
        except CaseError:
            yield False
            continue
        pairs = zip(own.values(), found.values(), strict=True)
        yield all(one.shape == other.shape and _close(one.double(), other.double()) for one, other in pairs)


def _agrees(copy: ReferenceRunner, facts: ResultFacts, layout: CallLayout, prepared: Sequence[Prepared]) -> bool:
    try:
        if copy.results() != facts:
            return False
        copy.layout = layout
        return all(_same(one, copy.prepare(one.example)) for one in prepared)
    except CaseError:
        return False


def _same(one: Prepared, other: object) -> bool:
    if not isinstance(other, Prepared) or not _same_inputs(one, other):
        return False
    return len(one.expected) == len(other.expected) and all(
        mine.gold.shape == theirs.gold.shape and mine.gold.dtype == theirs.gold.dtype and _close(mine.gold, theirs.gold)
        for mine, theirs in zip(one.expected, other.expected, strict=True)
    )


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    if not one.is_floating_point():
        return bool(torch.equal(one, other))
    return torch.allclose(one, other, rtol=RELATIVE, atol=RELATIVE * _scale(one), equal_nan=True)


def _scale(values: torch.Tensor) -> float:
    finite = values[values.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _same_inputs(one: Prepared, other: Prepared) -> bool:
    """Whether both have the same inputs. They differ if inputs could not be judged, and were drawn again."""
    return all(
        bytes(mine.data or b"") == bytes(theirs.data or b"")
        for mine, theirs in zip(one.call.arguments, other.call.arguments, strict=True)
        if isinstance(mine, TensorArgument) and isinstance(theirs, TensorArgument)
    )
