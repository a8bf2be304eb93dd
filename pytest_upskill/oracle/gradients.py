"""Treats the gradients of an operator as the results of another operator, so that the oracle judges them like results.

For ``f(Tensor x, float a) -> Tensor`` and the key ``gradients: [x]``, this other operator is
``f_gradients(Tensor x, float a, Tensor grad_out) -> Tensor grad_x``. It returns the gradient of the sum of
``f(x, a) * grad_out``. Its reference differentiates the case's reference with autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from pytest_upskill.cases.case import Case, TensorSpec
from pytest_upskill.cases.operator_schema import parse_operator
from pytest_upskill.contracts.base import Signature
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import CaseError
from pytest_upskill.languages.base import Executor
from pytest_upskill.oracle.explore import explore
from pytest_upskill.oracle.reference_runner import ReferenceRunner
from pytest_upskill.records import Assertion, CallLayout, ResultFacts, TensorParameter

EXAMPLES = 5
"""The number of examples of each dtype."""
_FLOATING = ("float16", "bfloat16", "float32", "float64")
_SOURCE = """

def {name}({parameters}):
    import inspect

    given = {{{pairs}}}
    dims = {{{dims}}}
    named = inspect.signature({reference}).parameters
    taken = {{key: dims[key] for key in dims if key in named}}
    leaves = [given[key].detach().clone().requires_grad_() for key in {leaves!r}]
    with torch.enable_grad():
        results = {reference}(**{{**given, **dict(zip({leaves!r}, leaves)), **taken}})
        results = tuple(results) if isinstance(results, (tuple, list)) else (results,)
        results = [one for one in results if one.is_floating_point()]
        found = torch.autograd.grad(results, leaves, [{cotangents}], allow_unused=True)
    found = tuple(torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, found))
    return found if len(found) > 1 else found[0]
"""


def judged(
    case: Case,
    layout: CallLayout,
    signature: Callable[[Case, ResultFacts], Signature],
    executor: Executor,
    open_runner: Callable[[Case], ReferenceRunner],
    seed: int,
) -> Assertion:
    """The assertion that a built kernel's gradients agree with the reference's, on a few examples of each dtype.

    ``layout`` is the layout of the case's calls. ``signature`` returns the signature that the case's contract gives to
    a case with some results.
    """
    own, facts = gradient_case(case, [one for one in layout.tensors if one.role == "output"])
    with closing(open_runner(own)) as runner:
        found = explore(
            own,
            signature(own, facts).layout,
            executor.gradient,
            repeat=lambda call, _: executor.gradient(call),
            runner=runner,
            seed=seed,
            examples=None,
            only=None,
            checks=("runs", "correct"),
        )
    failed = next((one for one in found.assertions if not one.passed), None)
    return Assertion("gradients", failed is None, failed.message if failed else "")


def gradient_case(case: Case, results: Sequence[TensorParameter]) -> tuple[Case, ResultFacts]:
    """The case that asks for the gradients of ``case``, and facts about its results.

    ``results`` are the results of the operator of ``case``. Raises CaseError if gradients cannot be judged, because the
    case has no floating dtype, or because the shape of a result does not follow from the dims.
    """
    assert case.op is not None
    assert case.reference is not None
    dtypes = tuple(one for one in case.dtypes if one in _FLOATING)
    floating = [one for one in results if one.dtype is None or one.dtype in _FLOATING]
    for one in floating:
        if one.shape is None:
            what = f"'gradients' needs the shape of '{one.name}', which does not follow from 'dims'"
            raise CaseError(f"{what}; add dims for its sizes, or remove the key", case.path)
    if not dtypes or not floating or any(one.mutable for one in case.op.arguments):
        rule = "it needs a floating dtype, a floating result, and no argument that is updated in place"
        raise CaseError(f"'gradients' has no meaning in this case: {rule}; remove it", case.path)
    cotangents = tuple(f"grad_{one.name}" for one in floating)
    name, leaves = f"{case.op.name}_gradients", case.gradients
    old = ", ".join(f"{one.kind} {one.name}" for one in case.op.arguments)
    new = "".join(f", Tensor {one}" for one in cotangents)
    returned = ", ".join(f"Tensor grad_{one}" for one in leaves)
    dims = [dim.name for dim in case.dims]
    try:
        operator = parse_operator(f"{name}({old}{new}) -> {f'({returned})' if len(leaves) > 1 else returned}", dims)
    except ValueError as error:
        raise CaseError(f"'gradients': {error}", case.path) from None
    names = [one.name for one in case.op.arguments]
    source = case.reference.source + _SOURCE.format(
        name=name,
        parameters=", ".join((*names, *cotangents, *dims)),
        pairs=", ".join(f"{one!r}: {one}" for one in names),
        dims=", ".join(f"{one!r}: {one}" for one in dims),
        reference=case.op.name,
        leaves=list(leaves),
        cotangents=", ".join(cotangents),
    )
    specs = [TensorSpec(f"grad_{one.name}", tuple(map(parse, one.shape or ())), one.dtype) for one in floating]
    tensors = {one.name: one for one in case.tensors}
    facts = ResultFacts(
        {f"grad_{one}": tensors[one].dtype for one in leaves},
        {f"grad_{one}": tuple(size.text for size in tensors[one].shape) for one in leaves},
    )
    changed = replace(
        case,
        op=operator,
        arguments=(*case.arguments, *specs),
        dtypes=dtypes,
        returns={},
        reference=replace(case.reference, source=source),
        examples=EXAMPLES,
        always=(),
        gradients=(),
        text_hash=f"{case.text_hash} gradients",
    )
    return changed, facts
