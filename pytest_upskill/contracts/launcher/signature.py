"""The launcher contract's signature: what exactly a student is asked to define, derived from a case.

Knows cases, never torch: which dtype each result has is measured elsewhere and passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pytest_upskill.cases.case import Case, ScalarSpec
from pytest_upskill.languages.cuda.types import C_TYPE, SCALAR_TYPE
from pytest_upskill.native import ENTRY
from pytest_upskill.records import CallLayout, ScalarKind, ScalarParameter, TensorParameter

WIDTH = 80
_KIND: Mapping[str, ScalarKind] = {"float": "float", "int64_t": "int", "bool": "bool"}
_DTYPE = {ctype: dtype for dtype, ctype in C_TYPE.items()}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``ctype`` is the element's C type for a pointer (``scalar_t`` where it follows the dtype)."""

    name: str
    ctype: str
    role: Literal["output", "input", "inplace", "scalar", "dim", "stream"]
    shape: tuple[str, ...] | None = None
    """Of an output: its sizes in terms of the dims, None where only the task says them."""

    @property
    def pointer(self) -> bool:
        return self.role in ("output", "input", "inplace")

    @property
    def declared(self) -> str:
        """``const scalar_t* x``: as it stands in the declaration."""
        const = "const " if self.role == "input" else ""
        return f"{const}{self.ctype}{'*' if self.pointer else ''} {self.name}"


@dataclass(frozen=True, slots=True)
class Signature:
    """Outputs first, then the arguments in schema order, then the dims, then the stream.

    ``template`` says that it is ``template <typename scalar_t>``, called once for each of ``dtypes``; without it, the
    case has one dtype and each ``scalar_t`` is spelled out.
    """

    name: str
    dtypes: tuple[str, ...]
    template: bool
    parameters: tuple[Parameter, ...]

    @property
    def layout(self) -> CallLayout:
        """The same without C++ and without the stream."""
        known = (_in_layout(parameter) for parameter in self.parameters)
        return CallLayout(self.dtypes, tuple(parameter for parameter in known if parameter is not None))

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        """The same, called with these dtypes alone."""
        return replace(self, dtypes=dtypes)

    @property
    def entry(self) -> str:
        """The generated function that calls it."""
        return entry_source(self)


def derive(
    case: Case, results: Mapping[str, str | None], shapes: Mapping[str, tuple[str, ...]] | None = None
) -> Signature:
    """The signature of a case; ``results`` maps each result to its fixed dtype, None where it follows the dtype.

    ``shapes`` are the results' sizes in terms of the dims, so far as they are known.
    """
    shapes = shapes or {}
    if case.op is None:
        raise ValueError(f"case '{case.name}' has no 'op', hence no signature")
    template = len(case.dtypes) > 1
    follows = "scalar_t" if template else C_TYPE[case.dtypes[0]]

    def ctype(dtype: str | None) -> str:
        return follows if dtype is None else C_TYPE[dtype]

    mutable = {argument.name for argument in case.op.arguments if argument.mutable}
    parameters = [
        Parameter(name, ctype(case.returns.get(name) or results.get(name)), "output", shapes.get(name))
        for name in case.op.results
    ]
    for argument in case.arguments:
        if isinstance(argument, ScalarSpec):
            parameters.append(Parameter(argument.name, SCALAR_TYPE[argument.kind], "scalar"))
        else:
            role: Literal["input", "inplace"] = "inplace" if argument.name in mutable else "input"
            parameters.append(Parameter(argument.name, ctype(argument.dtype), role))
    parameters += [Parameter(dim.name, "int64_t", "dim") for dim in case.dims]
    parameters.append(Parameter("stream", "cudaStream_t", "stream"))
    return Signature(case.op.name, case.dtypes, template, tuple(parameters))


def _in_layout(parameter: Parameter) -> TensorParameter | ScalarParameter | None:
    if parameter.role == "stream":
        return None
    if parameter.role == "scalar" or parameter.role == "dim":  # noqa: PLR1714 - tells the type checker
        return ScalarParameter(parameter.name, _KIND[parameter.ctype], dim=parameter.role == "dim")
    return TensorParameter(parameter.name, parameter.role, _DTYPE.get(parameter.ctype), parameter.shape)


def declaration(signature: Signature) -> str:
    """The C++ declaration that the prompt shows, wrapped at 80 columns."""
    head = f"void {signature.name}("
    pieces = [parameter.declared for parameter in signature.parameters]
    lines = _wrapped(head, [*(piece + "," for piece in pieces[:-1]), pieces[-1] + ");"])
    return "\n".join((["template <typename scalar_t>"] if signature.template else []) + lines)


def _wrapped(head: str, pieces: Iterable[str]) -> list[str]:
    indent = " " * (len(head) if len(head) <= WIDTH // 2 else 4)
    lines = [head]
    for piece in pieces:
        gap = "" if lines[-1] in (head, indent) else " "
        if gap and len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append(indent)
            gap = ""
        lines[-1] += gap + piece
    return lines


def entry_source(signature: Signature) -> str:
    """The generated end of the student's translation unit: one function that calls the right instantiation.

    Its names are ours alone, and the headers come again, since a template's dtypes need not be named by the student.
    """
    cases = "\n".join(
        f"    case {index}: {_call(signature, dtype)}; break;" for index, dtype in enumerate(signature.dtypes)
    )
    return (
        f"\n{_includes(signature)}"
        f'extern "C" __attribute__((visibility("default"), used))\n'
        f"void {ENTRY}(int upskill_i, void* const* upskill_a, cudaStream_t upskill_s) {{\n"
        f"  switch (upskill_i) {{\n{cases}\n  }}\n}}\n"
    )


def _includes(signature: Signature) -> str:
    types = {C_TYPE[dtype] for dtype in signature.dtypes} | {parameter.ctype for parameter in signature.parameters}
    headers = ["stdint.h", "cuda_runtime.h"]
    headers += ["cuda_fp16.h"] if "__half" in types else []
    headers += ["cuda_bf16.h"] if "__nv_bfloat16" in types else []
    return "".join(f"#include <{header}>\n" for header in headers)


def _call(signature: Signature, dtype: str) -> str:
    arguments = [_passed(parameter, index, C_TYPE[dtype]) for index, parameter in enumerate(signature.parameters[:-1])]
    template = f"<{C_TYPE[dtype]}>" if signature.template else ""
    return f"::{signature.name}{template}({', '.join([*arguments, 'upskill_s'])})"


def _passed(parameter: Parameter, index: int, scalar_t: str) -> str:
    ctype = scalar_t if parameter.ctype == "scalar_t" else parameter.ctype
    if not parameter.pointer:
        return f"*static_cast<const {ctype}*>(upskill_a[{index}])"
    return f"static_cast<{'const ' if parameter.role == 'input' else ''}{ctype}*>(upskill_a[{index}])"
