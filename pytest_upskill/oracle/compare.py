"""Compares what came back with what must come back. No wrong element is tolerated.

The masks of NaN, +Inf and -Inf must be those of gold rounded to the output's dtype, finite elements must be within
their bound, integers and bools must be equal. Bounds are compared as ``not (error <= bound)``, so that NaN fails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from pytest_upskill.oracle.hints import hint
from pytest_upskill.oracle.prepare import Expected
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import ITEM_SIZE, WorstElement

Buffer = bytes | bytearray | memoryview

_LEAST = 1e-200
"""Stands for a bound of 0 where errors are compared with bounds."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What is wrong with one output: how many elements, which is furthest off, and a hint at what they share."""

    output: str
    wrong: int
    total: int
    index: tuple[int, ...] = ()
    expected: Any = None
    got: Any = None
    error: float | None = None
    bound: float | None = None
    hint: str = ""

    @property
    def message(self) -> str:
        """One or two lines for a person."""
        if self.expected is None:
            return f"'{self.output}' {self.hint}"
        where, remark = place(self.output, self.index), f" ({self.hint})" if self.hint else ""
        verb = "is" if self.wrong == 1 else "are"
        several = (
            f"{self.wrong} of {self.total} elements of '{self.output}' {verb} wrong{remark}; the worst is {where}: "
        )
        text = f"{where} is wrong{remark}: " if self.total == 1 else several
        text += f"expected {number(self.expected)}, got {number(self.got)}"
        if self.error is not None and self.bound is not None:
            text += f", off by {self.error:.3g} where {self.bound:.3g} is allowed"
            text += " (whole numbers, whose sum is exact in any order)" if self.bound == 0 else ""
        return text

    @property
    def worst(self) -> WorstElement:
        """The worst element, ready to print."""
        return WorstElement(
            output=self.output,
            index=self.index,
            expected=number(self.expected),
            got=number(self.got),
            error=None if self.error is None else f"{self.error:.3g}",
            bound=None if self.bound is None else f"{self.bound:.3g}",
        )


def number(value: Any) -> str:
    """A number with up to nine significant digits."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def place(output: str, index: tuple[int, ...]) -> str:
    """An element as a person writes it: ``out[1, 2]``."""
    return f"{output}[{', '.join(map(str, index))}]" if index else output


def judge(expected: tuple[Expected, ...], outputs: Mapping[str, Buffer]) -> Mismatch | None:
    """The first output that is wrong, None where all are right."""
    mismatches = (_judge_one(one, outputs.get(one.name)) for one in expected)
    return next((mismatch for mismatch in mismatches if mismatch is not None), None)


def read(data: Buffer, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor over bytes; bools as uint8, since a kernel may leave any bits in them."""
    kind = torch.uint8 if dtype == "bool" else DTYPE[dtype]
    view = memoryview(data)
    if view.nbytes == 0:
        return torch.empty(shape, dtype=kind)
    # PyTorch warns of buffers that it may not write to.
    return torch.frombuffer(bytearray(view) if view.readonly else view, dtype=kind).reshape(shape)


def _judge_one(expected: Expected, data: Buffer | None) -> Mismatch | None:
    total = expected.gold.numel()
    if data is None:
        return Mismatch(expected.name, total, total, hint="did not come back")
    nbytes, size = memoryview(data).nbytes, total * ITEM_SIZE[expected.dtype]
    if nbytes != size:
        return Mismatch(expected.name, total, total, hint=f"came back with {nbytes} bytes instead of {size}")
    got = read(data, expected.dtype, expected.shape)
    if expected.bound is None:
        return _judge_discrete(expected, got)
    return _judge_floating(expected, expected.bound, got)


def _judge_discrete(expected: Expected, got: torch.Tensor) -> Mismatch | None:
    gold = expected.gold.to(torch.uint8) if expected.dtype == "bool" else expected.gold
    wrong = got != gold
    if not bool(wrong.any()):
        return None
    flat = int(wrong.reshape(-1).to(torch.uint8).argmax())
    shown: list[Any] = [int(one.reshape(-1)[flat].item()) for one in (gold, got)]
    if expected.dtype == "bool":
        shown = [("false", "true")[byte] if byte < 2 else f"a byte of {byte}" for byte in shown]
    return _mismatch(expected, wrong, flat, shown, hint(wrong, got))


def _judge_floating(expected: Expected, bound: torch.Tensor, raw: torch.Tensor) -> Mismatch | None:
    gold, got = expected.gold, raw.to(torch.float64)
    error = (got - gold).abs()
    right = error <= bound
    special = ~torch.isfinite(gold)
    if bool(special.any()):
        right = torch.where(special, (got == gold) | (got.isnan() & gold.isnan()), right)
    right &= special | torch.isfinite(got)
    if bool(right.all()):
        return None
    # The worst is furthest beyond its bound; what is no number where one was expected, or the reverse, comes first.
    ratio = error / bound.clamp(min=_LEAST)
    beyond = torch.where(right, -1.0, ratio.nan_to_num(nan=torch.inf, posinf=torch.inf))
    flat = int(beyond.reshape(-1).argmax())
    shown = [float(gold.reshape(-1)[flat].to(DTYPE[expected.dtype])), float(got.reshape(-1)[flat])]
    off, allowed = float(error.reshape(-1)[flat]), float(bound.reshape(-1)[flat])
    sizes = (off, allowed) if math.isfinite(off) else (None, None)
    return _mismatch(expected, ~right, flat, shown, hint(~right, raw), *sizes)


def _mismatch(
    expected: Expected,
    wrong: torch.Tensor,
    flat: int,
    shown: list[Any],
    hint: str,
    error: float | None = None,
    bound: float | None = None,
) -> Mismatch:
    count, index = int(torch.count_nonzero(wrong)), _index(flat, expected.shape)
    return Mismatch(expected.name, count, wrong.numel(), index, shown[0], shown[1], error, bound, hint)


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, numpy.unravel_index(flat, shape)))


def first_difference(
    one: Buffer, other: Buffer, dtype: str, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], Any, Any] | None:
    """Where two answers differ in bits, and the two values; None where they are the same."""
    if memoryview(one) == memoryview(other):
        return None
    width = ITEM_SIZE[dtype]
    left = torch.frombuffer(bytearray(one), dtype=torch.uint8).reshape(-1, width)
    right = torch.frombuffer(bytearray(other), dtype=torch.uint8).reshape(-1, width)
    flat = int((left != right).any(-1).to(torch.uint8).argmax())
    before, after = (read(buffer, dtype, shape).reshape(-1)[flat].item() for buffer in (one, other))
    return _index(flat, shape), before, after
