"""The launcher contract's signature: the function that a student must define, derived from a case. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pytest_upskill.cases.case import Case, ScalarSpec
from pytest_upskill.native import ENTRY
from pytest_upskill.records import CallLayout, ScalarKind, ScalarParameter, TensorParameter

C_TYPE: Mapping[str, str] = {
    "float64": "double", "float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16", "int8": "int8_t",
    "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "bool": "bool",
}  # fmt: skip
"""The C type of a tensor's elements for each dtype."""

_WIDTH = 80
_SCALAR_TYPE: Mapping[ScalarKind, str] = {"float": "float", "int": "int64_t", "bool": "bool"}
_KIND = {ctype: kind for kind, ctype in _SCALAR_TYPE.items()}
_DTYPE = {ctype: dtype for dtype, ctype in C_TYPE.items()}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the launcher. ``ctype`` is its C type; for a pointer, the type of the elements (``scalar_t`` if it
    follows the dtype under test).
    """

    name: str
    ctype: str
    role: Literal["output", "input", "inplace", "scalar", "dim", "stream"]
    shape: tuple[str, ...] | None = None
    """The sizes of an output in terms of the dims; None if only the task gives the sizes."""

    @property
    def pointer(self) -> bool:
        return self.role in ("output", "input", "inplace")

    @property
    def declared(self) -> str:
        """The parameter as it stands in the declaration, such as ``const scalar_t* x``."""
        const = "const " if self.role == "input" else ""
        return f"{const}{self.ctype}{'*' if self.pointer else ''} {self.name}"


@dataclass(frozen=True, slots=True)
class Signature:
    """The launcher's signature. The outputs come first, then the arguments in schema order, then the dims, then the
    stream.

    If ``template`` is True, the function is ``template <typename scalar_t>``, and is called with each of ``dtypes``.
    Otherwise the case has one dtype, and its C type is written in place of ``scalar_t``.
    """

    name: str
    dtypes: tuple[str, ...]
    template: bool
    parameters: tuple[Parameter, ...]

    @property
    def layout(self) -> CallLayout:
        return CallLayout(self.dtypes, tuple(map(_in_layout, self.parameters[:-1])))

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        return replace(self, dtypes=dtypes)

    @property
    def entry(self) -> str:
        return entry_source(self)


def derive(
    case: Case, results: Mapping[str, str | None], shapes: Mapping[str, tuple[str, ...]] | None = None
) -> Signature:
    """The signature of a case. Raises ValueError for a case without ``op``.

    ``results`` maps each result to its fixed dtype, or to None if it follows the dtype under test. ``shapes`` gives the
    sizes of results in terms of the dims, where they are known.
    """
    shapes = shapes or {}
    if case.op is None:
        raise ValueError(f"case '{case.name}' has no 'op', hence no signature")
    template = len(case.dtypes) > 1
    follows = "scalar_t" if template else C_TYPE[case.dtypes[0]]

    def ctype(dtype: str | None) -> str:
        return follows if dtype is None else C_TYPE[dtype]

    mutable = {argument.name for argument in case.op.arguments if argument.mutable}
    dtypes = {name: case.returns.get(name) or results.get(name) for name in case.op.results}
    parameters = [Parameter(name, ctype(dtype), "output", shapes.get(name)) for name, dtype in dtypes.items()]
    for argument in case.arguments:
        if isinstance(argument, ScalarSpec):
            parameters.append(Parameter(argument.name, _SCALAR_TYPE[argument.kind], "scalar"))
        else:
            role: Literal["input", "inplace"] = "inplace" if argument.name in mutable else "input"
            parameters.append(Parameter(argument.name, ctype(argument.dtype), role))
    parameters += [Parameter(dim.name, "int64_t", "dim") for dim in case.dims]
    parameters.append(Parameter("stream", "cudaStream_t", "stream"))
    return Signature(case.op.name, case.dtypes, template, tuple(parameters))


def _in_layout(parameter: Parameter) -> TensorParameter | ScalarParameter:
    if parameter.role not in ("output", "input", "inplace"):
        return ScalarParameter(parameter.name, _KIND[parameter.ctype], dim=parameter.role == "dim")
    return TensorParameter(parameter.name, parameter.role, _DTYPE.get(parameter.ctype), parameter.shape)


def declaration(signature: Signature) -> str:
    """The C++ declaration that the prompt shows, wrapped at 80 columns."""
    head = f"void {signature.name}("
    pieces = [parameter.declared for parameter in signature.parameters]
    lines = _wrapped(head, [*(piece + "," for piece in pieces[:-1]), pieces[-1] + ");"])
    return "\n".join((["template <typename scalar_t>"] if signature.template else []) + lines)


def _wrapped(head: str, pieces: Iterable[str]) -> list[str]:
    indent = " " * (len(head) if len(head) <= _WIDTH // 2 else 4)
    lines = [head]
    for piece in pieces:
        gap = "" if lines[-1] in (head, indent) else " "
        if gap and len(lines[-1]) + 1 + len(piece) > _WIDTH:
            lines.append(indent)
            gap = ""
        lines[-1] += gap + piece
    return lines


def entry_source(signature: Signature) -> str:
    """The generated end of the translation unit. It defines a function that calls the instantiation for a dtype."""
    calls = enumerate(_call(signature, dtype) for dtype in signature.dtypes)
    cases = "\n".join(f"    case {index}: {call}; break;" for index, call in calls)
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
    if not parameter.pointer:  # a copy, so that a reference parameter cannot reach the driver's memory
        return f"{ctype}(*static_cast<const {ctype}*>(upskill_a[{index}]))"
    return f"static_cast<{'const ' if parameter.role == 'input' else ''}{ctype}*>(upskill_a[{index}])"
