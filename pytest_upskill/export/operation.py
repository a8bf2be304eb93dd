"""The operator that an exported project registers: its schema, and where a launcher's arguments come from.

A launcher takes outputs, arguments, sizes and a stream. An operator takes tensors, which have sizes, and returns new
tensors. If no tensor has a size, it becomes an argument ``int``. If the shape of a result cannot be computed from
sizes, the result becomes an argument ``Tensor!``, which the caller allocates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pytest_upskill.cases.case import Case, Choices, TensorSpec
from pytest_upskill.contracts.kernel_builder.contract import Signature as BuilderSignature
from pytest_upskill.contracts.launcher.signature import C_TYPE, Parameter, Signature
from pytest_upskill.documents.expression import Expression, parse
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.export.expressions import solved
from pytest_upskill.languages.torch_extension.build_toml import BuildToml
from pytest_upskill.records import CallLayout, TensorParameter

SCALAR_TYPE: Mapping[str, str] = {
    "float64": "kDouble", "float32": "kFloat", "float16": "kHalf", "bfloat16": "kBFloat16", "int8": "kChar",
    "uint8": "kByte", "int16": "kShort", "int32": "kInt", "int64": "kLong", "bool": "kBool",
}  # fmt: skip
"""PyTorch's C++ constant for each dtype for which an operator can be dispatched."""
NAME = re.compile(r"[a-z][-a-z0-9]*[a-z0-9]\Z")
"""Matches the names that kernels on the Hub may have."""
_MOST = 96
"""The most characters of a kernel's name on the Hub."""


@dataclass(frozen=True, slots=True)
class Deduced:
    """A size that is computed from a tensor's shape: ``(tensor.size(axis) - less) / factor``."""

    tensor: str
    axis: int
    factor: int = 1
    less: int = 0


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A tensor of the operator. If ``dtype`` is None, it is the dtype that is dispatched on. If ``shape`` is None, it
    is the shape of the result that the caller allocated.
    """

    name: str
    dtype: str | None
    shape: tuple[Expression, ...] | None
    written: bool


@dataclass(frozen=True, slots=True)
class Interface:
    """An operator as its users see it. ``parameters`` are pairs of a kind (``Tensor``, ``float``, ``int``, ``bool``)
    and a name. ``allocated`` names the results that the caller allocates and passes. In ``results``, a dtype that
    follows the dtypes of the case is None. ``backend`` is the backend of the project.
    """

    case: Case
    name: str
    operator: str
    schema: str
    backend: str
    layout: CallLayout
    parameters: tuple[tuple[str, str], ...]
    results: tuple[TensorParameter, ...]
    allocated: tuple[str, ...] = ()
    strict: bool = True
    """Whether the operator refuses tensors that are not contiguous, or that have another number of dimensions."""
    has_cpu_build: bool = True
    """Whether ``pytest-upskill build`` can build the project."""

    @property
    def package(self) -> str:
        """The Python package's name. Other names begin with it."""
        return self.name.replace("-", "_")


def interface_of_project(case: Case, signature: BuilderSignature, build: BuildToml) -> Interface:
    """The operator of a passing reply with the contract ``kernel-builder``."""
    parameters = tuple(
        ("Tensor" if isinstance(one, TensorParameter) else one.kind, one.name) for one in signature.parameters
    )
    return Interface(
        case,
        build.name,
        signature.name,
        signature.schema,
        signature.backend,
        signature.layout,
        parameters,
        signature.results,
        strict=False,
        has_cpu_build=signature.backend == "cpu",
    )


@dataclass(frozen=True)
class Operation:
    """The operator of a kernel whose case has the contract ``launcher``. Raises UsageError if the kernel cannot become
    an operator.
    """

    case: Case
    signature: Signature
    source: str

    def __post_init__(self) -> None:
        unknown = [dtype for dtype in self.dtypes_used if dtype not in SCALAR_TYPE]
        if unknown:
            known = ", ".join(SCALAR_TYPE)
            raise self._error(f"dtype '{unknown[0]}' has no dispatch in PyTorch's C++ interface; it has {known}")
        if not self.tensors:
            raise self._error("its operator has no tensor argument, so that no device is known; give it one")
        if self.signature.template and self.chooser is None:
            what = "no argument follows the dtypes of the case, so that a call could not choose one"
            raise self._error(f"{what}; give the case a single dtype, or a tensor without a dtype of its own")

    @cached_property
    def name(self) -> str:
        """The project's name on the Hub. Raises UsageError."""
        found = self.case.name.lower().replace("_", "-").replace(".", "-")
        if not NAME.match(found) or len(found) > _MOST:
            rule = "2 to 96 lower-case letters, digits and '-', beginning with a letter and not ending in '-'"
            raise self._error(f"the Hub accepts no kernel called {found!a}: a name has {rule}; rename the case's file")
        return found

    @property
    def package(self) -> str:
        """The Python package's name. Other names begin with it."""
        return self.name.replace("-", "_")

    @cached_property
    def space(self) -> str:
        """The C++ namespace of the functions that the binding calls. Its name does not occur in the kernel's source."""
        name = f"{self.package}_calls"
        while name in self.source:
            name += "s"
        return name

    @property
    def operator(self) -> str:
        return self.signature.name

    @property
    def interface(self) -> Interface:
        """The operator as its users see it."""
        results = tuple(one for one in self.signature.layout.tensors if one.name in {own.name for own in self.results})
        return Interface(
            self.case,
            self.name,
            self.operator,
            self.schema,
            "cuda",
            self.signature.layout,
            self.parameters,
            results,
            tuple(one.name for one in self.given),
        )

    @cached_property
    def dtypes_used(self) -> tuple[str, ...]:
        own = [argument.dtype for argument in self.case.tensors if argument.dtype]
        return tuple(dict.fromkeys((*self.signature.dtypes, *own, *filter(None, map(self._dtype, self._outputs)))))

    @cached_property
    def _outputs(self) -> tuple[Parameter, ...]:
        return tuple(one for one in self.signature.parameters if one.role == "output")

    def _dtype(self, output: Parameter) -> str | None:
        """The dtype of an output; None if it is the dtype that is dispatched on."""
        if output.ctype == "scalar_t":
            return None
        return next(dtype for dtype, ctype in C_TYPE.items() if ctype == output.ctype)

    @cached_property
    def results(self) -> tuple[TensorArgument, ...]:
        """The results that the operator allocates and returns."""
        return tuple(
            TensorArgument(one.name, self._dtype(one), tuple(map(parse, one.shape)), True)
            for one in self._outputs
            if one.shape is not None
        )

    @cached_property
    def given(self) -> tuple[TensorArgument, ...]:
        """The results that the caller allocates, because their shapes cannot be computed from sizes of arguments."""
        return tuple(
            TensorArgument(one.name, self._dtype(one), None, True) for one in self._outputs if one.shape is None
        )

    @cached_property
    def tensors(self) -> tuple[TensorArgument, ...]:
        """The tensors among the arguments, in order."""
        mutable = {one.name for one in self.signature.parameters if one.role == "inplace"}
        single = None if self.signature.template else self.signature.dtypes[0]
        own = (
            TensorArgument(one.name, one.dtype or single, one.shape, one.name in mutable) for one in self.case.tensors
        )
        return (*self.given, *own)

    @cached_property
    def chooser(self) -> str | None:
        """The tensor whose dtype is dispatched on."""
        return next((one.name for one in self.tensors if one.dtype is None), None)

    @cached_property
    def deduced(self) -> dict[str, Deduced]:
        """The sizes that can be computed from the shapes of tensors, by dim."""
        found: dict[str, Deduced] = {}
        for exact in (True, False):
            for tensor in self.tensors:
                for axis, size in enumerate(tensor.shape or ()):
                    if (form := solved(size)) is not None and (size.text in size.names) is exact:
                        found.setdefault(next(iter(size.names)), Deduced(tensor.name, axis, *form))
        return {dim.name: found[dim.name] for dim in self.case.dims if dim.name in found}

    @cached_property
    def fixed(self) -> dict[str, int]:
        """Dims that have a single size and cannot be computed from the shape of a tensor."""
        return {
            dim.name: int(dim.sizes.options[0])
            for dim in self.case.dims
            if dim.name not in self.deduced and isinstance(dim.sizes, Choices) and dim.fixed
        }

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """Dims that are passed as arguments of the operator."""
        return tuple(dim.name for dim in self.case.dims if dim.name not in self.deduced and dim.name not in self.fixed)

    @cached_property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The operator's arguments: kind (``Tensor``, ``float``, ``int``, ``bool``) and name."""
        own = ((("Tensor" if isinstance(one, TensorSpec) else one.kind), one.name) for one in self.case.arguments)
        return (
            *(("Tensor", one.name) for one in self.given),
            *own,
            *(("int", name) for name in self.sizes),
        )

    @cached_property
    def schema(self) -> str:
        """The schema that a binding registers."""
        written = {one.name for one in self.tensors if one.written}
        arguments = ", ".join(f"{kind}{'!' if name in written else ''} {name}" for kind, name in self.parameters)
        count = len(self.results)
        returned = "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
        return f"{self.operator}({arguments}) -> {returned}"

    def _error(self, what: str) -> UsageError:
        return UsageError(f"{shown_path(self.case.path)}: case '{self.case.name}' cannot be exported: {what}")
