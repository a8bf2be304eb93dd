"""The contract ``kernel-builder``: its part of a prompt, the files in a reply, and a check that they form the required
project. Builds nothing and runs nothing. See ``contracts.base.Contract``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction, Teaching
from pytest_upskill.contracts.case_wording import (
    conditions,
    dim_text,
    parameter_lines,
    prompt_template,
    result_lines,
    teaching,
)
from pytest_upskill.contracts.kernel_builder import official_reader
from pytest_upskill.contracts.whole_tensors import operator_of, parameters_of, results_of
from pytest_upskill.documents.reasoning import answer_blocks
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.languages.torch_extension import bindings, build_toml, package
from pytest_upskill.languages.torch_extension.project import Project, ProjectError, from_blocks, project_of
from pytest_upskill.languages.torch_extension.schema import difference, parse_schema
from pytest_upskill.records import CallLayout, Kernel, ResultFacts, ScalarParameter, TensorParameter

BACKEND = {"cuda": "cuda", "cpp": "cpu"}
"""The backend of a project, by the language of its case."""
_EXACT = "The same input must give the same bits each time."
_ATOMICS = "Float atomics are allowed: the order of their additions may show in the last bits of the result."
_FAKE = Template(
    " There, too, an implementation for tensors without data: "
    '`@torch.library.register_fake(add_op_namespace_prefix("$name"))`; `_ops.py` offers `add_op_namespace_prefix`.'
)
_WHERE = {
    "cuda": "Tensors are on one GPU, perhaps not the current device: guard it, and launch on PyTorch's current stream.",
    "cpu": "Tensors are on the cpu. The operator runs in one thread.",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """The operator's arguments in order, and its results. Sizes are not arguments, because tensors have shapes."""

    name: str
    schema: str
    backend: str
    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]
    results: tuple[TensorParameter, ...]
    atomics: bool = False
    gradients: tuple[str, ...] = ()

    @property
    def layout(self) -> CallLayout:
        return CallLayout(self.dtypes, (*self.results, *self.parameters))

    @property
    def entry(self) -> str:
        """The entry as JSON, in the form that ``TorchExtensionLanguage.build`` reads."""
        results = [one.name for one in self.results]
        plain = {
            "name": self.name,
            "schema": self.schema,
            "backend": self.backend,
            "results": results,
            "atomics": self.atomics,
        }
        return json.dumps({**plain, **({"gradients": self.gradients} if self.gradients else {})})

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        return replace(self, dtypes=dtypes)


class KernelBuilderContract:
    """A project that registers one or more operators, including the one that the case asks for."""

    name = "kernel-builder"
    languages = ("cuda", "cpp")
    case_keys = ("gradients",)
    adapter = "torch-extension"
    """The name of the ``Language`` that builds and calls the projects, whatever the case's language is."""

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results)

    def system_text(self) -> str:
        return prompt_template(__package__, "system").template.strip()

    def teaching(self) -> Teaching:
        return teaching(__package__, "authors of PyTorch extensions", "project for kernel-builder", "built")

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt_template(__package__, self.name).substitute(
            task=case.task.strip(),
            name=signature.name,
            backend=signature.backend,
            device={"cpu": "torch::kCPU", "cuda": "torch::kCUDA"}[signature.backend],
            schema=signature.schema,
            parameters=parameter_lines(case, signature.dtypes, signature.parameters),
            results=result_lines(signature.dtypes, signature.results)
            or "- Nothing: the result is what stands in the arguments that are updated in place.",
            sizes=", ".join(f"`{dim.name}` ({dim_text(dim, case)})" for dim in case.dims),
            conditions=conditions(case),
            where=_WHERE[signature.backend],
            determinism=_ATOMICS if case.atomics else _EXACT,
            standard=standard(torch_version()),
            fake=(_FAKE.substitute(name=signature.name) if signature.results else "") + _gradient_text(case),
        )

    def extract(self, text: str, signature: Signature) -> Extraction:
        blocks = answer_blocks(text)
        if not blocks.answer:
            where = (
                "only its reasoning holds fenced blocks" if blocks.in_reasoning else "the reply holds no fenced block"
            )
            return Extraction(None, False, f"{where}; one block for each file of a project was asked for")
        whole = "\n\n".join(block.source for block in blocks.answer)
        try:
            project = from_blocks(blocks.answer)
        except ProjectError as error:
            return Extraction(None, True, str(error), Kernel(whole[:_SHOWN]))
        kernel = Kernel(project.text)
        if not project.files:
            count = len(blocks.answer)
            which = "its only block names no file" if count == 1 else f"none of its {count} blocks names a file"
            form = "an info string ends in the path: ```toml build.toml"
            return Extraction(None, True, f"{which}; {form}", Kernel(whole[:_SHOWN]))
        problem = project_problem(project, signature)
        return Extraction(None if problem else kernel, True, problem or "", kernel)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        try:
            return project_problem(project_of(sources), signature)
        except ProjectError as error:
            return str(error)


_SHOWN = 20_000
"""The most characters that are kept of a reply without a project."""


def project_problem(project: Project, signature: Signature) -> str | None:
    """Why files are not the required project; None if they are."""
    try:
        build = build_toml.read(project.texts, torch_version())
        if problem := official_reader.problem(project.texts[build_toml.NAME]):
            return problem
        if signature.backend not in build.backends:
            asked = f"'backends' does not list \"{signature.backend}\", for which the operator was asked for"
            return f'{build_toml.NAME}: {asked}: backends = ["{signature.backend}"]'
        found = bindings.registered(project.texts, build.src)
        return _operator_problem(found, signature) or package.problem(project.texts, build.package, signature.name)
    except ProjectError as error:
        lost = project.unnamed[0] if project.unnamed else None
        hint = f"; the block in line {lost} names no file: its info string must end in the path" if lost else ""
        return f"{error}{hint if 'has no' in str(error) or 'does not have' in str(error) else ''}"


def _operator_problem(found: Mapping[str, bindings.Registered], signature: Signature) -> str | None:
    name, backend = signature.name, signature.backend
    if (own := found.get(name)) is None:
        first = next(iter(found.values()))
        what = f"operator '{name}' is not registered{suggest(name, found)}"
        return f"{first.path}:{first.line}: {what}; asked for:\n{signature.schema}"
    if wrong := difference(own.schema, parse_schema(signature.schema)):
        return f"{own.path}:{own.line}: the schema of '{name}' {wrong}; asked for:\n{signature.schema}"
    if not own.backends:
        how = f'ops.impl("{name}", torch::k{backend.upper()}, &{name})'
        return f"{own.path}:{own.line}: '{name}' has no implementation; add {how}"
    if backend not in own.backends and any(one in BACKEND.values() for one in own.backends):
        other = ", ".join(own.backends)
        return f"{own.path}:{own.line}: '{name}' is implemented for {other}, and not for {backend}"
    return None


def torch_version() -> tuple[int, int]:
    """The version of the installed torch, found without importing torch."""
    major, minor = metadata.version("torch").split(".")[:2]
    return int(major), int(minor)


def standard(version: tuple[int, int]) -> int:
    """The C++ standard that the headers of a version of torch need."""
    return 20 if version >= (2, 12) else 17


def derive(case: Case, results: ResultFacts) -> Signature:
    """The signature of a case. Raises ValueError for a case without ``op``."""
    name, parameters, found = operator_of(case).name, parameters_of(case), results_of(case, results)
    backend = BACKEND[case.language]
    return Signature(name, schema_of(case), backend, case.dtypes, parameters, found, case.atomics, case.gradients)


def _gradient_text(case: Case) -> str:
    if not case.gradients:
        return ""
    names = ", ".join(f"`{name}`" for name in case.gradients)
    how = "with `torch.library.register_autograd`, or with a `torch.autograd.Function` in the package's function"
    return f" The function of the package is differentiable with respect to {names}: {how}."


def schema_of(case: Case) -> str:
    """The operator's schema as bindings write it, without names of results."""
    assert case.op is not None
    arguments = ", ".join(f"{one.kind}{'!' if one.mutable else ''} {one.name}" for one in case.op.arguments)
    count = len(case.op.results)
    results = "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
    return f"{case.op.name}({arguments}) -> {results}"
