"""What the oracle and the sandbox need to know of a function: its tensors and scalars in order, in no language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_upskill.records.running import Role

ScalarKind = Literal["float", "int", "bool"]
"""float32, int64 and bool, as operator schemas call them."""


@dataclass(frozen=True, slots=True)
class TensorParameter:
    """A tensor of every call. ``dtype`` is None where it follows the dtype that is tried.

    ``shape``: of an output, its sizes in terms of the dims; None where only the task says them.
    """

    name: str
    role: Role
    dtype: str | None = None
    shape: tuple[str, ...] | None = None

    def dtype_in(self, tried: str) -> str:
        """Its dtype in a call that tries a dtype."""
        return self.dtype or tried


@dataclass(frozen=True, slots=True)
class ScalarParameter:
    """A scalar of every call: an argument of the operator, or a dim."""

    name: str
    kind: ScalarKind
    dim: bool = False


@dataclass(frozen=True, slots=True)
class CallLayout:
    """The parameters of a function in the order of its calls, and the dtypes that it is tried with."""

    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]

    @property
    def tensors(self) -> tuple[TensorParameter, ...]:
        return tuple(one for one in self.parameters if isinstance(one, TensorParameter))


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What runs of a case's reference tell about the operator's results.

    ``dtypes`` maps each result to its fixed dtype, None where it follows the dtype that is tried; ``shapes`` holds the
    sizes of those results that can be stated in terms of the dims.
    """

    dtypes: dict[str, str | None]
    shapes: dict[str, tuple[str, ...]]
