"""The tensors and scalars of a function in order, independent of its language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_upskill.records.running import Role

ScalarKind = Literal["float", "int", "bool"]
"""float32, int64 and bool, as operator schemas call them."""


@dataclass(frozen=True, slots=True)
class TensorParameter:
    """A tensor of every call. ``dtype`` is None if it follows the dtype that is tried.

    ``shape``: the sizes of an output in terms of the dims; None if only the task states them.
    """

    name: str
    role: Role
    dtype: str | None = None
    shape: tuple[str, ...] | None = None

    def dtype_in(self, tried: str) -> str:
        """The tensor's dtype in a call with this dtype."""
        return self.dtype or tried


@dataclass(frozen=True, slots=True)
class ScalarParameter:
    """A scalar of every call: an argument of the operator, or a dim."""

    name: str
    kind: ScalarKind
    dim: bool = False


@dataclass(frozen=True, slots=True)
class CallLayout:
    """The parameters of a function in order, and the dtypes that it is tried with."""

    dtypes: tuple[str, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]

    @property
    def tensors(self) -> tuple[TensorParameter, ...]:
        return tuple(one for one in self.parameters if isinstance(one, TensorParameter))


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """Facts about an operator's results, from runs of the reference.

    ``dtypes`` maps each result to its dtype, None if it follows the dtype that is tried; ``shapes`` holds the sizes of
    the results that can be stated in terms of the dims.
    """

    dtypes: dict[str, str | None]
    shapes: dict[str, tuple[str, ...]]
