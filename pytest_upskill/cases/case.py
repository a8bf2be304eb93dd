"""Cases as plain data. A case is one task with an oracle. ``case_file`` reads cases from ``evals/<case>.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_upskill.cases.operator_schema import Operator
from pytest_upskill.documents.expression import Expression

NAMED_VALUES = ("normal", "uniform", "positive", "nonnegative", "sorted", "permutation", "bool", "wild")
"""The names that a case may give as ``values`` of a tensor."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of a case. ``line`` is the line (1-based) of the case's file at which its source starts.

    If ``whole``, the snippet is not a block, but the text of a whole section with all its blocks.
    """

    source: str
    line: int
    path: Path
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """The range ``low..high``, with both ends included. The ends may name dims (in a range of a dim, earlier dims)."""

    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values from which values are drawn. A single value is a list of one."""

    options: tuple[float | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A family of values, named by one of ``NAMED_VALUES``."""

    name: str


@dataclass(frozen=True, slots=True)
class Dim:
    """A dim and its sizes. If it is ``fixed``, it has a single size, but is a parameter of the kernel nevertheless."""

    name: str
    sizes: Range | Choices

    @property
    def fixed(self) -> bool:
        return isinstance(self.sizes, Choices) and len(self.sizes.options) == 1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor argument: its shape, its dtype and its values.

    If the dtype is None, the tensor has the dtype that is tried. If the values are None, they are moderate numbers.
    """

    name: str
    shape: tuple[Expression, ...]
    dtype: str | None = None
    values: Range | Choices | Named | None = None


@dataclass(frozen=True, slots=True)
class ScalarSpec:
    """A scalar argument and its values. ``kind`` is its type in the operator schema."""

    name: str
    kind: Literal["float", "int", "bool"]
    values: Range | Choices


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A case's own tolerance for one dtype. A result passes if ``|got - gold| <= atol + rtol * |gold|``."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the answer to a text case must contain."""

    contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()


PUBLISHED = "hub"
"""This name stands for the contract and the language of cases that test published kernels, and for the provider that
gets such kernels."""


@dataclass(frozen=True, slots=True)
class Published:
    """How a published kernel is called to compute the case's operator.

    The function ``op`` of the kernel's package is called with ``arguments``, which are names of arguments, dims and
    results of the case. The function returns the results that are not among ``arguments``.
    """

    op: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One task with an oracle. ``task`` is the text that a student gets.

    ``arguments`` are in schema order. ``tolerance`` maps a dtype to the case's own tolerance ("*" for every dtype).
    ``contract`` and ``language`` are names in the registries. ``forbid`` names operators that must not be called.
    ``vectorised`` requires that the work done in Python does not grow with the sizes. ``gradients`` names the arguments
    with respect to which the operator must be differentiable. ``speed`` and ``at_least`` are the sizes and the least
    speedup of a timing that is not implemented yet. ``xfail`` says why students are expected to fail.
    ``should_trigger`` says whether a query should make an agent open the skill. It is None if the case is not a query.
    ``always`` has texts of examples that are always tried. ``text`` is the file's content, and ``text_hash`` its
    SHA-256. If ``trusted``, the case's own Python may run in the judge's process (``cases.acceptance``). ``hub`` says
    how a published kernel is called. ``taken_by`` is the folder of the skill that takes the case from another skill. It
    is None for a skill's own case.
    """

    name: str
    skill: str
    path: Path
    task: str
    op: Operator | None
    dims: tuple[Dim, ...] = ()
    where: tuple[Expression, ...] = ()
    arguments: tuple[TensorSpec | ScalarSpec, ...] = ()
    dtypes: tuple[str, ...] = ("float32",)
    returns: Mapping[str, str] = field(default_factory=dict)
    reference: Snippet | None = None
    solution: Snippet | None = None
    inputs: Snippet | None = None
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    examples: int | None = None
    contract: str = "launcher"
    language: str = "cuda"
    speed: Mapping[str, int] = field(default_factory=dict)
    at_least: float | None = None
    tags: tuple[str, ...] = ()
    xfail: str = ""
    forbid: tuple[str, ...] = ()
    vectorised: bool = False
    gradients: tuple[str, ...] = ()
    atomics: bool = False
    zero: bool = False
    expect: Expectation | None = None
    should_trigger: bool | None = None
    always: tuple[str, ...] = ()
    hub: Published | None = None
    trusted: bool = True
    taken_by: Path | None = None
    text_hash: str = ""
    text: str = field(default="", repr=False)

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensor arguments, in schema order."""
        return tuple(argument for argument in self.arguments if isinstance(argument, TensorSpec))

    @property
    def scalars(self) -> tuple[ScalarSpec, ...]:
        """The scalar arguments, in schema order."""
        return tuple(argument for argument in self.arguments if isinstance(argument, ScalarSpec))

    @property
    def folder(self) -> Path:
        """The folder of the case's skill."""
        return self.taken_by or self.path.parent.parent

    @property
    def kind(self) -> Literal["kernel", "text", "trigger"]:
        """What the student is asked for: a kernel, a text, or which skill to open (``trigger``)."""
        if self.should_trigger is not None:
            return "trigger"
        return "text" if self.op is None else "kernel"
