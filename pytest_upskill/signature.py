"""The launcher contract's signature: what exactly a student is asked to define, derived from a case.

Knows cases, never torch: which dtype each result has is measured elsewhere and passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_upskill.case import Case

ENTRY = "upskill_entry"
"""The generated function's name: ``extern "C" void upskill_entry(int instantiation, void* const* a, cudaStream_t)``."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``ctype`` is the element's C type for a pointer (``scalar_t`` where it follows the dtype)."""

    name: str
    ctype: str
    role: Literal["output", "input", "inplace", "scalar", "dim", "stream"]

    @property
    def pointer(self) -> bool:
        return self.role in ("output", "input", "inplace")


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


def derive(case: Case, results: Mapping[str, str | None]) -> Signature:
    """The signature of a case; ``results`` maps each result to its fixed dtype, None where it follows the dtype."""
    raise NotImplementedError
