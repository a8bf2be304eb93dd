"""The part of a case that its reference needs, as plain data (JSON without loss) and back. Knows text, never torch.

A case travels so to the process in which an untrusted reference runs: already read and validated, without the task, the
solution, or any path of this machine. Copies of a case that were changed here travel in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_upskill.cases.case import Case, Choices, Dim, Named, Range, ScalarSpec, Snippet, TensorSpec, Tolerance
from pytest_upskill.cases.operator_schema import Argument, Operator
from pytest_upskill.documents.expression import parse

Plain = dict[str, Any]


def to_plain(case: Case) -> Plain:
    """What inputs, gold and eager follow from."""
    return {
        "name": case.name,
        "op": _plain_operator(case.op),
        "dims": [[dim.name, _plain_values(dim.sizes)] for dim in case.dims],
        "where": [condition.text for condition in case.where],
        "arguments": [_plain_argument(argument) for argument in case.arguments],
        "dtypes": list(case.dtypes),
        "returns": dict(case.returns),
        "reference": _plain_snippet(case.reference),
        "inputs": _plain_snippet(case.inputs),
        "tolerance": {dtype: [own.rtol, own.atol] for dtype, own in case.tolerance.items()},
        "zero": case.zero,
    }


def from_plain(plain: Plain, path: Path) -> Case:
    """The case again, as if it had been read from ``path``; what no reference needs is empty."""
    return Case(
        name=plain["name"],
        skill="",
        path=path,
        task="",
        op=_operator(plain["op"]),
        dims=tuple(_dim(name, sizes) for name, sizes in plain["dims"]),
        where=tuple(parse(text) for text in plain["where"]),
        arguments=tuple(_argument(one) for one in plain["arguments"]),
        dtypes=tuple(plain["dtypes"]),
        returns=plain["returns"],
        reference=_snippet(plain["reference"], path),
        inputs=_snippet(plain["inputs"], path),
        tolerance={dtype: Tolerance(rtol, atol) for dtype, (rtol, atol) in plain["tolerance"].items()},
        zero=plain["zero"],
    )


def _plain_operator(op: Operator | None) -> Plain | None:
    if op is None:
        return None
    arguments = [[one.name, one.kind, one.mutable] for one in op.arguments]
    return {"name": op.name, "arguments": arguments, "results": list(op.results), "text": op.text}


def _operator(plain: Plain | None) -> Operator | None:
    if plain is None:
        return None
    arguments = tuple(Argument(*one) for one in plain["arguments"])
    return Operator(plain["name"], arguments, tuple(plain["results"]), plain["text"])


def _plain_values(values: Range | Choices | Named | None) -> Plain | None:
    if isinstance(values, Range):
        return {"low": values.low.text, "high": values.high.text}
    if isinstance(values, Choices):
        return {"options": list(values.options)}
    return None if values is None else {"name": values.name}


def _values(plain: Plain | None) -> Range | Choices | Named | None:
    if plain is None:
        return None
    if "name" in plain:
        return Named(plain["name"])
    return Choices(tuple(plain["options"])) if "options" in plain else Range(parse(plain["low"]), parse(plain["high"]))


def _dim(name: str, plain: Plain) -> Dim:
    sizes = _values(plain)
    assert isinstance(sizes, Range | Choices)
    return Dim(name, sizes)


def _plain_argument(argument: TensorSpec | ScalarSpec) -> Plain:
    values = _plain_values(argument.values)
    if isinstance(argument, ScalarSpec):
        return {"name": argument.name, "kind": argument.kind, "values": values}
    shape = [size.text for size in argument.shape]
    return {"name": argument.name, "shape": shape, "dtype": argument.dtype, "values": values}


def _argument(plain: Plain) -> TensorSpec | ScalarSpec:
    values = _values(plain["values"])
    if "shape" in plain:
        return TensorSpec(plain["name"], tuple(parse(text) for text in plain["shape"]), plain["dtype"], values)
    assert isinstance(values, Range | Choices)
    return ScalarSpec(plain["name"], plain["kind"], values)


def _plain_snippet(snippet: Snippet | None) -> Plain | None:
    return None if snippet is None else {"source": snippet.source, "line": snippet.line}


def _snippet(plain: Plain | None, path: Path) -> Snippet | None:
    return None if plain is None else Snippet(plain["source"], plain["line"], path)
