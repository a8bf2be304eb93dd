"""Makes the examples of an exported project's tests: sizes that the case allows, how values are drawn, and tolerances.

If the case gives no tolerance, it is the smallest ``atol + rtol * |expected|`` above the error bounds that the oracle
computes for these examples. The values are drawn by the exported tests' own code.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pytest_upskill.cases.case import Case, Choices, Named, Range, ScalarSpec, TensorSpec
from pytest_upskill.cases.sizes import integer_scalars
from pytest_upskill.errors import CaseError
from pytest_upskill.export.bindings import template
from pytest_upskill.export.operation import Interface
from pytest_upskill.oracle.isolation import isolated, stable_hash
from pytest_upskill.oracle.prepare import Expected, Preparation
from pytest_upskill.oracle.shapes import choose, smallest
from pytest_upskill.oracle.size_distribution import STEPS
from pytest_upskill.oracle.values import Value, complete, shape_of
from pytest_upskill.records import FLOATING, Example

_SMALL, _LARGE = 1 << 11, 1 << 14
"""The approximate number of elements of all tensors of an example."""
_VARIOUS = 3
_SEEDS = 40
"""The most seeds that are tried for an example, until the oracle can judge results for its values."""
_COMMON, _SMALLEST = 0.9, 0.01
"""The relative tolerance alone covers the error bounds of this share of a result's elements. Only elements count that
are at least ``_SMALLEST`` times the largest element.
"""

Tolerances = dict[str, dict[str, tuple[float, float]]]


def examples_file(interface: Interface) -> str:
    """The JSON file that the exported tests read. Raises CaseError if the case's reference fails."""
    preparation = Preparation(interface.case, interface.layout)
    with isolated():
        examples, tolerances = _examples(interface, preparation)
    plain = _facts(interface, preparation)
    plain["tolerances"] = tolerances
    lines = [f' "{key}": {json.dumps(value)},\n' for key, value in plain.items()]
    listed = ",\n".join(f"  {json.dumps(one)}" for one in examples)
    return f'{{\n{"".join(lines)} "examples": [\n{listed}\n ]\n}}\n'


def _facts(interface: Interface, preparation: Preparation) -> dict[str, Any]:
    """What the tests need to know about the operator besides examples."""
    op, inputs = interface.case.op, preparation.source.inputs
    assert op is not None
    layout = {tensor.name: tensor.dtype for tensor in interface.layout.tensors}
    return {
        "operator": interface.operator,
        "backend": interface.backend,
        "strict": interface.strict,
        "needs_gpu": interface.backend == "cuda" and not interface.has_cpu_build,
        "reference": preparation.reference.function.call.__name__,
        "inputs": inputs.call.__name__ if inputs else "",
        "results": op.results,
        "updated": [one.name for one in op.arguments if one.mutable],
        "parameters": [name for _, name in interface.parameters],
        "returned": [one.name for one in interface.results],
        "allocated": interface.allocated,
        "dtypes": {name: layout[name] for name in preparation.reference.outputs},
    }


def _examples(interface: Interface, preparation: Preparation) -> tuple[list[dict[str, Any]], Tolerances]:
    case, draw = interface.case, _drawing(interface, preparation)
    found, judged = [], []
    for dtype in case.dtypes:
        for dims, scalars in _sizes(case, preparation):
            if (one := _judgeable(interface, preparation, draw, Example(dims, dtype, 0, "normal", scalars))) is None:
                continue
            found.append(one[0])
            judged.append((dtype, one[1]))
    if not found:
        raise CaseError("no example of the tests can be judged; pytest-upskill check shows why", case.path)
    return found, _tolerances(case, judged)


def _sizes(case: Case, preparation: Preparation) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Small sizes of various kinds, then large ones."""
    seen: list[object] = []
    free = len(case.dims) + len(integer_scalars(case))
    options = [(_SMALL, number, False) for number in range(_VARIOUS)] + [(_LARGE, 0, True)]
    for chosen in (
        smallest(case),
        *(
            choose(
                case,
                preparation.outputs,
                limit,
                number % max(len(case.dims), 1),
                [stable_hash("export", number, index) % STEPS for index in range(free)],
                full=full,
            )
            for limit, number, full in options
        ),
    ):
        if chosen is not None and chosen not in seen:
            seen.append(chosen)
            yield chosen


def _judgeable(
    interface: Interface,
    preparation: Preparation,
    draw: Callable[[Mapping[str, Any]], Mapping[str, Value]],
    example: Example,
) -> tuple[dict[str, Any], tuple[Expected, ...]] | None:
    """The example with the first seed for which a kernel can be judged, and the expected results; None if there is no
    such seed.
    """
    for seed in range(_SEEDS):
        tried = complete(interface.case, Example(example.dims, example.dtype, seed, "normal", example.scalars))
        plain = _plain(interface.case, preparation, tried)
        arguments = draw(plain)
        found = preparation.expected(tried, arguments)
        if not isinstance(found, str):
            results = {one.name: one for one in found[0]}
            plain["allocated"] = {
                name: [list(results[name].shape), results[name].dtype] for name in interface.allocated
            }
            return plain, found[0]
    return None


def _plain(case: Case, preparation: Preparation, example: Example) -> dict[str, Any]:
    """An example in the form that the tests read."""
    scalars = {one.name for one in case.scalars}
    values = {name: value for name, value in preparation.source.arguments(example).items() if name in scalars}
    arguments = {
        one.name: {"value": values[one.name]} if isinstance(one, ScalarSpec) else _drawn(one, example)
        for one in case.arguments
    }
    return {"dims": dict(example.dims), "dtype": example.dtype, "seed": example.seed, "arguments": arguments}


def _drawn(tensor: TensorSpec, example: Example) -> dict[str, Any]:
    """How a tensor is drawn."""
    plain: dict[str, Any] = {"shape": list(shape_of(tensor, example.dims)), "dtype": tensor.dtype or example.dtype}
    values = tensor.values
    if isinstance(values, Range):
        ends = (values.low.evaluate(example.dims), values.high.evaluate(example.dims))
        return {**plain, "kind": "range", "low": ends[0], "high": ends[1]}
    if isinstance(values, Choices):
        return {**plain, "kind": "choices", "options": list(values.options)}
    return {**plain, "kind": values.name if isinstance(values, Named) else "normal"}


def _drawing(interface: Interface, preparation: Preparation) -> Callable[[Mapping[str, Any]], Mapping[str, Value]]:
    """The function ``draw`` from the source of the exported tests."""
    inputs = preparation.source.inputs
    with tempfile.TemporaryDirectory(prefix="upskill-") as folder:
        facts = json.dumps({**_facts(interface, preparation), "examples": []})
        (Path(folder) / f"{interface.package}_examples.json").write_text(facts, encoding="utf-8")
        scope: dict[str, Any] = {"__name__": "check", "__file__": str(Path(folder) / "check.py")}
        source = template("check.py").substitute(package=interface.package, name=interface.name)
        exec(compile(source, "check.py", "exec"), scope)  # the source is our own template
    scope["_function"] = lambda module, name: inputs.call if inputs else None
    draw: Callable[[Mapping[str, Any]], Mapping[str, Value]] = scope["draw"]
    return draw


def _tolerances(case: Case, judged: Sequence[tuple[str, tuple[Expected, ...]]]) -> Tolerances:
    """(rtol, atol) of each floating result, by the dtype of the example."""
    found: Tolerances = {}
    for dtype in case.dtypes:
        of_dtype = [expected for one, expected in judged if one == dtype]
        for name in dict.fromkeys(one.name for expected in of_dtype for one in expected):
            ones = [one for expected in of_dtype for one in expected if one.name == name]
            if ones[0].dtype in FLOATING:
                own = case.tolerance.get(dtype, case.tolerance.get("*"))
                found.setdefault(name, {})[dtype] = (own.rtol, own.atol) if own else fitted(ones)
    return found


def fitted(ones: Sequence[Expected]) -> tuple[float, float]:
    """(rtol, atol), rounded up to two digits, such that ``atol + rtol * |gold|`` is at least the error bound of each
    element.
    """
    golds = torch.cat([one.gold.reshape(-1).abs() for one in ones])
    given = [torch.zeros_like(one.gold) if one.bound is None else one.bound for one in ones]
    bounds = torch.cat([one.reshape(-1) for one in given])
    known = torch.isfinite(golds) & torch.isfinite(bounds)
    golds, bounds = golds[known], bounds[known]
    ratios = (bounds / golds)[(golds > 0) & (golds >= _SMALLEST * golds.max())] if golds.numel() else golds
    rtol = _rounded_up(float(ratios.quantile(_COMMON))) if ratios.numel() else 0.0
    rest = (bounds - rtol * golds).clamp(min=0)
    return rtol, _rounded_up(float(rest.max())) if rest.numel() else 0.0


def _rounded_up(value: float) -> float:
    """The smallest number of two significant digits that is not below ``value``."""
    if not value > 0:
        return 0.0
    unit = math.floor(math.log10(value)) - 1
    digits = math.ceil(value / 10.0**unit - 1e-9)
    return float(f"{digits}e{unit}")
