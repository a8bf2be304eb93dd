"""What a student is asked: the texts are files under ``prompts/``; this room fills them in. Knows cases, no student.

The user's text is the same in every arm. An arm's guidance is added to the system text, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, declaration
from pytest_upskill.errors import CaseError
from pytest_upskill.records import C_TYPE, Prompt

_EXACT = "The same input must give the same bits each time."
_ATOMICS = "Float atomics are allowed: the order of their additions may show in the last bits of the result."


def build_prompt(
    case: Case, signature: Signature | None, guidance: str | None, files: Mapping[str, str] | None = None
) -> Prompt:
    """The prompt for a case in an arm that adds ``guidance`` (None: nothing). ``signature`` is None for a text case.

    ``files`` can be read through a tool; ``guidance`` then only says what they are about.
    """
    files = files or {}
    if case.op is None:
        return Prompt(_guided("", guidance, files), case.task.strip() + "\n", files=files)
    if case.contract != "launcher" or signature is None:
        raise CaseError(f"contract '{case.contract}' cannot be asked for: write 'contract: launcher'", case.path)
    system = _guided(_template("system").template.strip(), guidance, files)
    return Prompt(system, _launcher_text(case, signature), files=files)


def _guided(system: str, guidance: str | None, files: Mapping[str, str]) -> str:
    """The system text with an arm's guidance; a text case has no other system text, so a guide stands alone."""
    if guidance is not None and files:
        system = _template("tools").substitute(system=system, guidance=guidance.strip())
    elif guidance is not None:
        system = _template("guidance").substitute(system=system, guidance=guidance.strip()) if system else guidance
    return system.strip() + "\n" if system else ""


def _launcher_text(case: Case, signature: Signature) -> str:
    return _template("launcher").substitute(
        task=case.task.strip(),
        declaration=declaration(signature),
        parameters="\n".join(_template_line(signature) + _parameter_lines(case, signature)),
        conditions=_conditions(case),
        determinism=_ATOMICS if case.atomics else _EXACT,
    )


@lru_cache
def _template(name: str) -> Template:
    own = resources.files("pytest_upskill.contracts.launcher") / f"{name}.md"
    file = own if own.is_file() else resources.files("pytest_upskill") / "prompts" / f"{name}.md"
    return Template(file.read_text(encoding="utf-8"))


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
