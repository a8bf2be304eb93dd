"""The contract ``function``, and its part of a prompt. See ``contracts.base.Contract``."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.case_wording import conditions, dim_text, prompt_template, scalar_text
from pytest_upskill.contracts.function import extraction
from pytest_upskill.contracts.function.signature import Parameter, Result, Signature, declaration, derive
from pytest_upskill.records import ResultFacts

_VECTORISED = (
    "Work on whole tensors: the work done in Python must not grow with the sizes. No loop, comprehension or list over "
    "elements, rows or columns."
)


class FunctionContract:
    """A Python function that takes tensors and scalars, and returns tensors."""

    name = "function"
    languages = ("python",)
    case_keys = ("forbid", "vectorised")

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results)

    def system_text(self) -> str:
        return prompt_template(__package__, "system").template.strip()

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt_template(__package__, self.name).substitute(
            task=case.task.strip(),
            declaration=declaration(signature),
            parameters="\n".join(_parameter_line(case, signature, one) for one in signature.parameters),
            results="\n".join(_result_line(signature, one) for one in signature.results)
            or "- Nothing is returned: the result is what stands in the arguments that are updated in place.",
            sizes=", ".join(f"`{dim.name}` ({dim_text(dim, case)})" for dim in case.dims),
            conditions=conditions(case),
            rules="".join(f"- {rule}\n" for rule in _rules(signature)),
        )

    def extract(self, text: str, signature: Signature) -> Extraction:
        return extraction.extract_function(text, signature)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        return extraction.problem("\n".join(sources.values()), signature)


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
    rules = [_VECTORISED] if signature.vectorised else []
    if signature.forbid:
        names = ", ".join(f"`{name}`" for name in signature.forbid)
        what = "These operators must not be called, neither as functions nor as methods of tensors"
        rules.insert(0, f"{what}: {names}.")
    return rules
