"""The contract's part of a prompt: the texts are files beside this one, filled in here. Knows cases, no student."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec
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
        conditions=_conditions(case),
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
            lines.append(f"- `{parameter.name}`: a size, {_dim_text(dims[parameter.name], case)}.")
        elif parameter.role == "scalar":
            lines.append(f"- `{parameter.name}`: {_scalar_text(scalars[parameter.name])}.")
    return lines


def _tensor_text(parameter: Parameter, shape: str | None) -> str:
    if parameter.shape is not None:
        return f"shape [{', '.join(parameter.shape)}], the output to write."
    if shape is None:
        return "the output to write, of the shape that the task gives it."
    role = "read and written in place" if parameter.role == "inplace" else "only read"
    return f"shape [{shape}], {role}."


def _dim_text(dim: Dim, case: Case) -> str:
    """The sizes that a kernel can meet: those that are drawn, and the one at which it is timed."""
    sizes, timed = dim.sizes, case.speed.get(dim.name)
    if isinstance(sizes, Choices):
        further = () if timed is None or timed in sizes.options else (timed,)
        return _options_text(Choices((*sizes.options, *further)))
    text = f"{sizes.low} to {sizes.high}" + ("" if timed is None or _within(sizes, timed) else f", or {timed}")
    least = sizes.low.constant
    if least == 0:
        return f"{text}; it may be 0"
    if case.zero and least == 1:
        return f"{text}, or 0"
    return text if least is None else f"{text}; it is never 0"


def _within(sizes: Range, size: int) -> bool:
    """Whether a range surely holds a size; one whose ends name dims is not sure."""
    low, high = sizes.low.constant, sizes.high.constant
    return low is not None and high is not None and low <= size <= high


def _scalar_text(scalar: ScalarSpec) -> str:
    if isinstance(scalar.values, Range):
        return f"{scalar.values.low} to {scalar.values.high}"
    return _options_text(scalar.values)


def _options_text(choices: Choices) -> str:
    texts = [str(option).lower() if isinstance(option, bool) else f"{option}" for option in choices.options]
    if len(texts) == 1:
        return f"always {texts[0]}"
    return f"one of {', '.join(texts)}"


def _conditions(case: Case) -> str:
    if not case.where:
        return ""
    return "- These conditions hold: " + "; ".join(f"`{condition}`" for condition in case.where) + ".\n"
