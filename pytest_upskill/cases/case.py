"""Cases as plain data: one task with an oracle, as ``case_file`` reads it from ``evals/<case>.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_upskill.cases.operator_schema import Operator
from pytest_upskill.documents.expression import Expression

NAMED_VALUES = ("normal", "uniform", "positive", "nonnegative", "sorted", "permutation", "bool", "wild")
"""The names that ``values`` of a tensor may have."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of a case; ``line`` is the 1-based line of its first source line in the ``.md`` file.

    ``whole``: it is the text of a whole section, with all of its blocks.
    """

    source: str
    line: int
    path: Path
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """``low..high``, both ends included; the ends may name dims (of a dim: earlier dims)."""

    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values to draw from; a single value is a list of one."""

    options: tuple[float | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A named family of values, one of ``NAMED_VALUES``."""

    name: str


@dataclass(frozen=True, slots=True)
class Dim:
    """A size. ``fixed``: it is one number; the kernel's signature has it nevertheless."""

    name: str
    sizes: Range | Choices

    @property
    def fixed(self) -> bool:
        return isinstance(self.sizes, Choices) and len(self.sizes.options) == 1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor argument: its shape, its dtype (None: each of the case's dtypes), its values (None: moderate ones)."""

    name: str
    shape: tuple[Expression, ...]
    dtype: str | None = None
    values: Range | Choices | Named | None = None


@dataclass(frozen=True, slots=True)
class ScalarSpec:
    """The values of a scalar argument; ``kind`` as in the operator schema."""

    name: str
    kind: Literal["float", "int", "bool"]
    values: Range | Choices


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A case's own tolerance for one dtype: ``|got - gold| <= atol + rtol * |gold|``."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the answer to a text case must contain."""

    contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()


PUBLISHED = "hub"
"""The contract and the language of a case that a published kernel is held against, and the provider of such kernels."""


@dataclass(frozen=True, slots=True)
class Published:
    """How a published kernel computes the case's operator: the function ``op`` of its package, called with
    ``arguments``, which are names of arguments, dims and results. Results that it is not called with are returned.
    """

    op: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One task with an oracle. ``task`` is the text that a student gets.

    ``arguments`` are in schema order; ``tolerance`` maps a dtype to the case's own tolerance ("*" for every dtype).
    ``contract`` and ``language`` are names in the registries. ``forbid`` names operators that must not be called;
    ``vectorised`` requires that the work done in Python does not grow with the sizes; ``gradients`` names arguments
    with respect to which the operator must be differentiable. ``speed`` and ``at_least`` are
    the sizes and the least speedup of a timing that is not implemented yet. ``xfail`` says why students are
    expected to fail. ``should_trigger`` says of a query whether it should make an agent open the skill; None for other
    cases. ``always`` are texts of examples that are always tried. ``text`` is the file's content, and
    ``text_hash`` its SHA-256. ``trusted``: the case's own Python may run in this process (``cases.acceptance``).
    ``hub`` says how a published kernel is called.
    ``taken_by`` is the folder of the skill that takes the case from another one; None for a skill's own case.
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
        """The folder of its skill."""
        return self.taken_by or self.path.parent.parent

    @property
    def kind(self) -> Literal["kernel", "text", "trigger"]:
        """What is asked for: a kernel, a text, or whether the skill is the one to open."""
        if self.should_trigger is not None:
            return "trigger"
        return "text" if self.op is None else "kernel"
