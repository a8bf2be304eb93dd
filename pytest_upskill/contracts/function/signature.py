"""The function contract's signature: the function that a student must define, derived from a case. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from pytest_upskill.cases.case import Case, TensorSpec
from pytest_upskill.records import CallLayout, ResultFacts, ScalarParameter, TensorParameter

_WIDTH = 100
_ANNOTATION = {"Tensor": "torch.Tensor", "float": "float", "int": "int", "bool": "bool"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. ``dtype`` is None if it follows the dtype under test, and for scalars."""

    name: str
    kind: Literal["Tensor", "float", "int", "bool"]
    mutable: bool = False
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A result. ``dtype`` is None if it follows the dtype under test; ``shape`` names dims, if known."""

    name: str
    dtype: str | None = None
    shape: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The operator's arguments in order, and its results; sizes are no parameters, since tensors have shapes."""

    name: str
    dtypes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    results: tuple[Result, ...]
    forbid: tuple[str, ...] = ()
    vectorised: bool = False

    @property
    def layout(self) -> CallLayout:
        outputs = tuple(TensorParameter(one.name, "output", one.dtype, one.shape) for one in self.results)
        return CallLayout(self.dtypes, (*outputs, *map(_in_layout, self.parameters)))

    @property
    def entry(self) -> str:
        """JSON, as ``PythonLanguage.build`` reads it."""
        results = [one.name for one in self.results]
        plain = {"name": self.name, "results": results, "forbid": self.forbid, "vectorised": self.vectorised}
        return json.dumps(plain)

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        return replace(self, dtypes=dtypes)


def derive(case: Case, results: ResultFacts) -> Signature:
    """The signature of a case. Raises ValueError for a case without ``op``."""
    if case.op is None:
        raise ValueError(f"case '{case.name}' has no 'op', hence no signature")
    own = {spec.name: spec.dtype for spec in case.arguments if isinstance(spec, TensorSpec)}
    parameters = tuple(Parameter(one.name, one.kind, one.mutable, own.get(one.name)) for one in case.op.arguments)
    found = tuple(
        Result(name, case.returns.get(name) or results.dtypes.get(name), results.shapes.get(name))
        for name in case.op.results
    )
    return Signature(case.op.name, case.dtypes, parameters, found, case.forbid, case.vectorised)


def _in_layout(one: Parameter) -> TensorParameter | ScalarParameter:
    if one.kind == "Tensor":
        return TensorParameter(one.name, "inplace" if one.mutable else "input", one.dtype)
    return ScalarParameter(one.name, one.kind)


def declaration(signature: Signature) -> str:
    """The first line of the definition, as the prompt shows it."""
    names = [f"{one.name}: {_ANNOTATION[one.kind]}" for one in signature.parameters]
    returns = ", ".join("torch.Tensor" for _ in signature.results)
    returns = f"tuple[{returns}]" if len(signature.results) > 1 else returns or "None"
    line = f"def {signature.name}({', '.join(names)}) -> {returns}:"
    if len(line) <= _WIDTH:
        return line
    return f"def {signature.name}(\n" + "".join(f"    {name},\n" for name in names) + f") -> {returns}:"
