"""The contract's part of a prompt: the texts are files beside this one, filled in here. Knows cases, no student."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.case_wording import conditions, dim_text, scalar_text
from pytest_upskill.contracts.function.signature import Parameter, Result, Signature, declaration


def user_text(case: Case, signature: Signature) -> str:
    """The user text of a case's prompt."""
    return _template("function").substitute(
        task=case.task.strip(),
        declaration=declaration(signature),
        parameters="\n".join(_parameter_line(case, signature, one) for one in signature.parameters),
        results="\n".join(_result_line(signature, one) for one in signature.results)
        or "- Nothing is returned: the result is what stands in the arguments that are updated in place.",
        sizes=", ".join(f"`{dim.name}` ({dim_text(dim, case)})" for dim in case.dims),
        conditions=conditions(case),
        rules="".join(f"- {rule}\n" for rule in _rules(signature)),
    )


def system_text() -> str:
    """The system text, before an arm adds its guidance."""
    return _template("system").template.strip()


@lru_cache
def _template(name: str) -> Template:
    return Template((resources.files(__package__) / f"{name}.md").read_text(encoding="utf-8"))


def _dtype_text(dtype: str | None, signature: Signature) -> str:
    if dtype is not None or len(signature.dtypes) == 1:
        return dtype or signature.dtypes[0]
    return f"{', '.join(signature.dtypes[:-1])} or {signature.dtypes[-1]}"


def _parameter_line(case: Case, signature: Signature, one: Parameter) -> str:
    if one.kind != "Tensor":
        scalar = next(scalar for scalar in case.scalars if scalar.name == one.name)
        return f"- `{one.name}`: {scalar_text(scalar)}."
    spec = next(tensor for tensor in case.tensors if tensor.name == one.name)
    shape = ", ".join(size.text for size in spec.shape)
    role = "updated in place" if one.mutable else "only read"
    return f"- `{one.name}`: shape [{shape}], {_dtype_text(one.dtype, signature)}, {role}."


def _result_line(signature: Signature, one: Result) -> str:
    shape = "of the shape that the task gives it" if one.shape is None else f"shape [{', '.join(one.shape)}]"
    return f"- `{one.name}`: {shape}, {_dtype_text(one.dtype, signature)}."


def _rules(signature: Signature) -> list[str]:
    rules = []
    if signature.forbid:
        names = ", ".join(f"`{name}`" for name in signature.forbid)
        rules.append(f"These operators must not be called, neither as functions nor as methods of tensors: {names}.")
    if signature.vectorised:
        rules.append(
            "Work on whole tensors: the work done in Python must not grow with the sizes. No loop, comprehension or "
            "list over elements, rows or columns."
        )
    return rules
