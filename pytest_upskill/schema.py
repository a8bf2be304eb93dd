"""Operator schemas: what ``op:`` of a case says, as plain data. Parsed by torchgen, which does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operator. ``mutable`` is ``Tensor(a!)``: updated in place, compared like an output."""

    name: str
    kind: Literal["Tensor", "float", "int", "bool"]
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A PyTorch operator schema. ``results`` are the outputs' names; in-place arguments are not among them."""

    name: str
    arguments: tuple[Argument, ...]
    results: tuple[str, ...]
    text: str
