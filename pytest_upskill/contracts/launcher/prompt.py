"""The contract's part of a prompt: the texts are files beside this one, filled in here. Knows cases, no student."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.case_wording import conditions, dim_text, scalar_text
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, declaration
from pytest_upskill.languages.cuda.types import C_TYPE

_EXACT = "The same input must give the same bits each time."
_ATOMICS = "Float atomics are allowed: the order of their additions may show in the last bits of the result."


def user_text(case: Case, signature: Signature) -> str:
    """The user text of a case's prompt."""
    return _template("launcher").substitute(
        task=case.task.strip(),
        declaration=declaration(signature),
        parameters="\n".join(_template_line(signature) + _parameter_lines(case, signature)),
        conditions=conditions(case),
        determinism=_ATOMICS if case.atomics else _EXACT,
    )


def system_text() -> str:
    """The system text, before an arm adds its guidance."""
    return _template("system").template.strip()


@lru_cache
def _template(name: str) -> Template:
    return Template((resources.files(__package__) / f"{name}.md").read_text(encoding="utf-8"))


def _template_line(signature: Signature) -> list[str]:
    if not signature.template:
        return []
    types = [f"`{C_TYPE[dtype]}`" for dtype in signature.dtypes]
    calls = f"{', '.join(types[:-1])} and {types[-1]}"
    return [f"- `scalar_t` is called with {calls}."]


def _parameter_lines(case: Case, signature: Signature) -> list[str]:
    shapes = {tensor.name: ", ".join(size.text for size in tensor.shape) for tensor in case.tensors}
    dims = {dim.name: dim for dim in case.dims}
    scalars = {scalar.name: scalar for scalar in case.scalars}
    lines = []
    for parameter in signature.parameters:
        if parameter.pointer:
            lines.append(f"- `{parameter.name}`: {_tensor_text(parameter, shapes.get(parameter.name))}")
        elif parameter.role == "dim":
            lines.append(f"- `{parameter.name}`: a size, {dim_text(dims[parameter.name], case)}.")
        elif parameter.role == "scalar":
            lines.append(f"- `{parameter.name}`: {scalar_text(scalars[parameter.name])}.")
    return lines


def _tensor_text(parameter: Parameter, shape: str | None) -> str:
    if parameter.shape is not None:
        return f"shape [{', '.join(parameter.shape)}], the output to write."
    if shape is None:
        return "the output to write, of the shape that the task gives it."
    role = "read and written in place" if parameter.role == "inplace" else "only read"
    return f"shape [{shape}], {role}."
