"""Makes the files of an exported project. The same kernel, case and machine give the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.case_wording import dim_text, scalar_text, values_text
from pytest_upskill.export import bindings
from pytest_upskill.export.bindings import template
from pytest_upskill.export.examples import examples_file
from pytest_upskill.export.operation import Interface, Operation
from pytest_upskill.languages.torch_extension.build_toml import BuildToml
from pytest_upskill.languages.torch_extension.project import Project
from pytest_upskill.records import Outcome

LICENSE = "Apache-2.0"
_GOLDEN = "golden"
_KINDS = {"cuda": "a CUDA kernel", "cpu": "C++ code"}
_RUNTIME = (
    ": the kernel itself runs, on pytest-upskill's CUDA runtime for the CPU,\n"
    "which lies beside the library and reports accesses out of bounds and races as errors"
)
_LAMBDA = re.compile(r"\]\s*(?:__host__\s*)?__device__")
"""Matches a lambda with ``__device__``. nvcc accepts such a lambda only with a flag."""
_BRACES = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a kernel comes from: its item, and facts about the run."""

    outcome: Outcome
    machine: Mapping[str, object]
    device: str
    version: str
    model: str = ""

    @property
    def author(self) -> str:
        """Who wrote the kernel, in words."""
        if self.outcome.student in (None, _GOLDEN):
            return f"the author of the case, as the solution of `{self.outcome.case}`"
        model = f" (`{self.model}`)" if self.model and self.model != self.outcome.student else ""
        skill = "with the skill" if self.outcome.arm == "skill" else f"in the arm `{self.outcome.arm}`"
        return f"the model `{self.outcome.student}`{model}, {skill}"


def launcher_project(operation: Operation, origin: Origin) -> dict[str, str]:
    """The files of a project for a kernel with the contract ``launcher``, by path. Raises UsageError, CaseError."""
    package, name, interface = operation.package, operation.name, operation.interface
    flags = 'cuda-flags = ["--extended-lambda"]\n' if _LAMBDA.search(operation.source) else ""
    values = {"name": name, "package": package, "license": LICENSE, "flags": flags}
    kernel = f"{package}_cuda/{package}.cu"
    data = examples_file(interface)
    return {
        "build.toml": template("build.toml").substitute(values),
        kernel: bindings.kernel_source(operation),
        "torch-ext/torch_binding.cpp": bindings.binding(operation),
        "torch-ext/torch_binding.h": bindings.header(operation),
        f"torch-ext/{package}/__init__.py": bindings.package(operation),
        "LICENSE": template("LICENSE").template,
        "CARD.md": _card(interface, origin, data, LICENSE),
        **_around(interface, origin, data, kernel),
        **_tests(interface, data),
        "benchmarks/benchmark.py": _benchmark(interface),
    }


def reply_project(project: Project, interface: Interface, build: BuildToml, origin: Origin) -> dict[str, str]:
    """The files of a reply that is a project, unchanged, and the files that the reply lacks: a card, tests, a
    benchmark.
    """
    own, data = project.texts, examples_file(interface)
    source = next((part.src[0] for part in build.kernels), build.src[0])
    card = "CARD.md" if "CARD.md" not in own else "CARD.export.md"
    added = {
        card: _card(interface, origin, data, build.license),
        **_around(interface, origin, data, source),
        **_tests(interface, data),
        "benchmarks/benchmark.py": _benchmark(interface),
    }
    return {**added, **own}


def _around(interface: Interface, origin: Origin, data: str, kernel: str) -> dict[str, str]:
    return {
        "flake.nix": template("flake.nix").substitute(name=interface.name),
        ".gitignore": template("gitignore").template,
        "README.md": _readme(interface, origin, kernel),
    }


def _tests(interface: Interface, data: str) -> dict[str, str]:
    case, package, name = interface.case, interface.package, interface.name
    assert case.reference is not None
    inputs = {f"tests/{package}_inputs.py": _module(case.inputs.source)} if case.inputs else {}
    return {
        "tests/conftest.py": template("conftest.py").template,
        f"tests/test_{package}.py": template("test_kernel.py").substitute(package=package),
        f"tests/{package}_check.py": template("check.py").substitute(package=package, name=name),
        f"tests/{package}_examples.json": data,
        f"tests/{package}_reference.py": _module(case.reference.source),
        **inputs,
    }


def _module(source: str) -> str:
    """The text of a Python module with the source of a section of a case."""
    return f"import torch\n\n\n{source.strip()}\n"


def _benchmark(interface: Interface) -> str:
    class_name = "".join(part.capitalize() for part in interface.package.split("_"))
    each = template("workload.py")
    workloads = "".join(each.substitute(dtype=dtype) for dtype in interface.case.dtypes)
    return template("benchmark.py").substitute(
        package=interface.package, class_name=class_name, workloads=workloads.rstrip("\n")
    )


def _readme(interface: Interface, origin: Origin, kernel: str) -> str:
    unchecked = [f"`{name}`" for name in interface.allocated]
    note = (
        f"\n\nThe size of {', '.join(unchecked)} is not checked: no size of an argument gives it." if unchecked else ""
    )
    runtime = _RUNTIME if interface.backend == "cuda" else ""
    cpu = template("README_cpu.md").substitute(runtime=runtime) if interface.has_cpu_build else ""
    return template("README.md").substitute(
        without_gpu=cpu,
        name=interface.name,
        what=f"The operator `{interface.operator}` of PyTorch, computed by {_KINDS[interface.backend]}.",
        schema=interface.schema,
        arguments="\n".join(_arguments(interface)) + note,
        author=origin.author,
        kernel=kernel,
    )


def _card(interface: Interface, origin: Origin, data: str, license_: str) -> str:
    case, outcome = interface.case, origin.outcome
    own = "that of the case" if case.tolerance else "fitted to the error bounds of the oracle on the tests' examples"
    names = ", ".join(f"`{one.name}`" for one in outcome.verdict.assertions)
    known = [str(origin.machine[key]) for key in ("processor", "gpu", "platform") if origin.machine.get(key)]
    tolerances = json.loads(data)["tolerances"]
    return template("CARD.md").substitute(
        name=interface.name,
        license_id=license_.lower(),
        task=_plain_text(case.task.strip()),
        usage=_usage(interface),
        schema=interface.schema,
        arguments="\n".join(_arguments(interface)),
        skill=_plain_text(outcome.skill),
        case=case.name,
        author=origin.author,
        version=origin.version,
        device=origin.device,
        verdict=outcome.verdict.kind,
        assertions=names,
        machine="; ".join(known) or "unknown",
        compilers=", ".join(outcome.compilers) or "unknown",
        digest=hashlib.sha256((outcome.source or "").encode("utf-8", "surrogatepass")).hexdigest(),
        sizes="\n".join(_sizes(interface)),
        tolerance_source=own,
        tolerances="\n".join(_tolerance_rows(tolerances)) or "All results are compared exactly.",
    )


def _plain_text(text: str) -> str:
    """A text without the characters that begin a placeholder, because kernel-builder treats the card as a template."""
    return f"{{% raw %}}{text}{{% endraw %}}" if _BRACES.search(text) else text


def _usage(interface: Interface) -> str:
    names = ", ".join(name for _, name in interface.parameters)
    results = ", ".join(one.name for one in interface.results)
    return f"{results + ' = ' if results else ''}kernel.{interface.operator}({names})"


def _arguments(interface: Interface) -> Iterator[str]:
    """A line of Markdown for each argument and result."""
    case, op = interface.case, interface.case.op
    assert op is not None
    specs, scalars = {one.name: one for one in case.tensors}, {one.name: one for one in case.scalars}
    dims, mutable = {dim.name: dim for dim in case.dims}, {one.name for one in op.arguments if one.mutable}
    layout = {one.name: one.dtype for one in interface.layout.tensors}
    for _, name in interface.parameters:
        if name in specs:
            shape, role = ", ".join(map(str, specs[name].shape)), "updated in place" if name in mutable else "only read"
            dtype = specs[name].dtype or _dtypes(case)
            yield f"- `{name}`: shape [{shape}], {dtype}, {role}.{values_text(specs[name], case)}"
        elif name in interface.allocated:
            yield f"- `{name}`: of the shape that the task gives it, {layout[name] or _dtypes(case)}, written."
        elif name in scalars:
            yield f"- `{name}`: {scalar_text(scalars[name], case)}."
        else:
            yield f"- `{name}`: a size, {dim_text(dims[name], case)}."
    for one in interface.results:
        shape = "of the shape that the task gives it" if one.shape is None else f"shape [{', '.join(one.shape)}]"
        yield f"- returns `{one.name}`: {shape}, {one.dtype or _dtypes(case)}."


def _dtypes(case: Case) -> str:
    """The dtypes of a case, in words."""
    names = case.dtypes
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _sizes(interface: Interface) -> Iterator[str]:
    yield "The kernel was written for these sizes, and judged at them:"
    yield ""
    yield from (f"- `{dim.name}`: {dim_text(dim, interface.case)}" for dim in interface.case.dims)
    yield from (f"- `{condition.text}`" for condition in interface.case.where)


def _tolerance_rows(tolerances: Mapping[str, Mapping[str, tuple[float, float]]]) -> Iterator[str]:
    if not tolerances:
        return
    yield "| result | dtype of the example | rtol | atol |"
    yield "|---|---|---|---|"
    for name, of_dtypes in tolerances.items():
        yield from (f"| `{name}` | {dtype} | {rtol:.2g} | {atol:.2g} |" for dtype, (rtol, atol) in of_dtypes.items())
