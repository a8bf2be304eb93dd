"""The contract ``launcher``: its part of a prompt, and the search for the launcher in a reply. The last closed block of
the answer that defines the launcher counts. See ``contracts.base.Contract``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases.case import Case, TensorSpec
from pytest_upskill.contracts.base import Extraction, Teaching
from pytest_upskill.contracts.case_wording import (
    conditions,
    dim_text,
    prompt_template,
    scalar_text,
    teaching,
    values_text,
)
from pytest_upskill.contracts.launcher.signature import C_TYPE, Parameter, Signature, declaration, derive
from pytest_upskill.contracts.launcher.signature_check import mismatch
from pytest_upskill.contracts.reply_blocks import extract, not_defined
from pytest_upskill.documents.markdown import Fence
from pytest_upskill.documents.reasoning import Blocks
from pytest_upskill.languages.cuda.parser import MAX_PARSED, Definition, find_definitions
from pytest_upskill.records import ResultFacts

_EXACT = "The same input must give the same bits each time."
_ATOMICS = "Float atomics are allowed: the order of their additions may show in the last bits of the result."


class LauncherContract:
    """A host function that launches CUDA kernels on a stream."""

    name = "launcher"
    languages = ("cuda",)
    case_keys = ()

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results.dtypes, results.shapes)

    def system_text(self) -> str:
        return prompt_template(__package__, "system").template.strip()

    def teaching(self) -> Teaching:
        return teaching(__package__, "GPU programmers", "kernel", "compiled")

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt_template(__package__, self.name).substitute(
            task=case.task.strip(),
            declaration=declaration(signature),
            parameters="\n".join(_parameter_lines(case, signature)),
            conditions=conditions(case),
            determinism=_ATOMICS if case.atomics else _EXACT,
        )

    def extract(self, text: str, signature: Signature) -> Extraction:
        return extract_kernel(text, signature)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        return problem("\n".join(sources.values()), signature)


def _parameter_lines(case: Case, signature: Signature) -> list[str]:
    tensors = {tensor.name: tensor for tensor in case.tensors}
    dims = {dim.name: dim for dim in case.dims}
    scalars = {scalar.name: scalar for scalar in case.scalars}
    lines = []
    if signature.template:
        types = [f"`{C_TYPE[dtype]}`" for dtype in signature.dtypes]
        lines.append(f"- `scalar_t` is called with {', '.join(types[:-1])} and {types[-1]}.")
    for parameter in signature.parameters:
        if parameter.pointer:
            lines.append(f"- `{parameter.name}`: {_tensor_text(parameter, tensors.get(parameter.name), case)}")
        elif parameter.role == "dim":
            lines.append(f"- `{parameter.name}`: a size, {dim_text(dims[parameter.name], case)}.")
        elif parameter.role == "scalar":
            lines.append(f"- `{parameter.name}`: {scalar_text(scalars[parameter.name], case)}.")
    return lines


def _tensor_text(parameter: Parameter, spec: TensorSpec | None, case: Case) -> str:
    if spec is None and parameter.shape is None:
        return "the output to write, of the shape that the task gives it."
    if spec is None:
        return f"shape [{', '.join(parameter.shape or ())}], the output to write."
    role = "read and written in place" if parameter.role == "inplace" else "only read"
    return f"shape [{', '.join(size.text for size in spec.shape)}], {role}.{values_text(spec, case)}"


MAX_BLOCKS = 1000
"""The most blocks that are examined, so that a reply of megabytes does not take minutes."""

MAX_KERNEL = 200_000
"""The most characters of a kernel, because later steps read all of them. The longest kernels that people write have a
tenth of it.
"""


def extract_kernel(text: str, signature: Signature) -> Extraction:
    """Find the kernel in a reply, with the line in the reply where it starts."""
    asked, parsed = declaration(signature), 0

    def judge(fence: Fence, blocks: Blocks) -> tuple[str, bool]:
        nonlocal parsed
        parsed += len(fence.source)
        definitions = find_definitions(fence.source, signature.name, parse=parsed <= MAX_PARSED)
        if any(definition.usable for definition in definitions):
            return _complaint(fence.source, definitions, signature) or "", True
        if not definitions:
            return "", False
        inside = next((definition.inside for definition in definitions if definition.inside), None)
        how = f"defines it in {inside}, and it must stand at global scope" if inside else "only declares it"
        return not_defined(blocks, signature.name, asked, f"the one in line {fence.line} {how}"), False

    return extract(text, signature.name, "cuda", asked, judge, MAX_BLOCKS)


def problem(source: str, signature: Signature) -> str | None:
    """Why a source does not define the required function; None if it does."""
    definitions = find_definitions(source, signature.name)
    if any(definition.usable for definition in definitions):
        return _complaint(source, definitions, signature)
    return f"the source does not define '{signature.name}'; asked for:\n{declaration(signature)}"


def _complaint(source: str, definitions: list[Definition], signature: Signature) -> str | None:
    if len(source) > MAX_KERNEL:
        return f"the kernel has {len(source)} characters; at most {MAX_KERNEL}: shorten it"
    return mismatch(definitions, signature, source)
