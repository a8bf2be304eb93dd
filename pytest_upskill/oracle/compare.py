"""Compares a kernel's outputs with the expected outputs. A single wrong element makes an output wrong.

NaN, +Inf and -Inf must be where gold, rounded to the output's dtype, has them. Finite elements must be within their
bound. Integers and bools must be equal. An element is wrong if ``not (error <= bound)``, so that NaN fails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from pytest_upskill.oracle.prepare import Expected
from pytest_upskill.oracle.values import DTYPE
from pytest_upskill.records import ITEM_SIZE, Window, WorstElement
from pytest_upskill.sandbox.shared_memory import POISON_OF_REPEATS, POISONS

Buffer = bytes | bytearray | memoryview
Sizes = tuple[float | None, float | None]
"""An error and its bound."""

_SHOWN = 8
"""The largest number of rows and of columns in a window around the worst element."""
_LEAST = 1e-200
"""Replaces a bound of 0 when an error is divided by its bound."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What is wrong with one output: how many elements are wrong, which one is furthest off, and what they share."""

    output: str
    wrong: int
    total: int
    index: tuple[int, ...] = ()
    expected: Any = None
    got: Any = None
    error: float | None = None
    bound: float | None = None
    hint: str = ""
    exact: str = ""
    around: Window | None = None

    @property
    def message(self) -> str:
        """A message of one or two lines for a person."""
        if self.expected is None:
            return f"'{self.output}' {self.hint}"
        where, remark = place(self.output, self.index), f" ({self.hint})" if self.hint else ""
        verb = "is" if self.wrong == 1 else "are"
        those = f"{self.wrong} of {self.total} elements of '{self.output}'"
        several = f"{those} {verb} wrong{remark}; the worst is {where}: "
        text = f"{where} is wrong{remark}: " if self.total == 1 else several
        text += f"expected {number(self.expected)}, got {number(self.got)}"
        if self.error is not None and self.bound is not None:
            text += f", off by {self.error:.3g} where {self.bound:.3g} is allowed"
            text += f" ({self.exact})" if self.exact else ""
        return text

    @property
    def worst(self) -> WorstElement:
        """The worst element, ready to print."""
        error, bound = (None if size is None else f"{size:.3g}" for size in (self.error, self.bound))
        return WorstElement(self.output, self.index, number(self.expected), number(self.got), error, bound, self.around)


def number(value: Any) -> str:
    """The text of a number, with up to nine significant digits."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def place(output: str, index: Sequence[object]) -> str:
    """The name of an element as a person writes it: ``out[1, 2]``."""
    return f"{output}[{', '.join(map(str, index))}]" if index else output


def judge(expected: tuple[Expected, ...], outputs: Mapping[str, Buffer]) -> Mismatch | None:
    """Describe the first output that is wrong. Return None if all outputs are right."""
    mismatches = (_judge_one(one, outputs.get(one.name)) for one in expected)
    return next((mismatch for mismatch in mismatches if mismatch is not None), None)


def read(data: Buffer, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor over the given bytes. Bools are read as uint8, because a kernel may leave any bits in them."""
    kind = torch.uint8 if dtype == "bool" else DTYPE[dtype]
    view = memoryview(data)
    if view.nbytes == 0:
        return torch.empty(shape, dtype=kind)
    # PyTorch warns about buffers that are read-only.
    return torch.frombuffer(bytearray(view) if view.readonly else view, dtype=kind).reshape(shape)


def _judge_one(expected: Expected, data: Buffer | None) -> Mismatch | None:
    total = expected.gold.numel()
    if data is None:
        return Mismatch(expected.name, total, total, hint="was not returned")
    nbytes, size = memoryview(data).nbytes, total * ITEM_SIZE[expected.dtype]
    if nbytes != size:
        return Mismatch(expected.name, total, total, hint=f"was returned with {nbytes} bytes instead of {size}")
    got = read(data, expected.dtype, expected.shape)
    bound = expected.bound
    return _judge_discrete(expected, got) if bound is None else _judge_floating(expected, bound, got)


def _judge_discrete(expected: Expected, got: torch.Tensor) -> Mismatch | None:
    gold = expected.gold.to(torch.uint8) if expected.dtype == "bool" else expected.gold
    wrong = got != gold
    if not bool(wrong.any()):
        return None
    flat = int(wrong.reshape(-1).to(torch.uint8).argmax())
    shown: list[Any] = [int(one.reshape(-1)[flat].item()) for one in (gold, got)]
    if expected.dtype == "bool":
        shown = [("false", "true")[byte] if byte < 2 else f"a byte of {byte}" for byte in shown]
    values = (gold, got, torch.where(wrong, torch.inf, 0.0))
    return _mismatch(expected, wrong, flat, shown, hint(wrong, got), values)


def _judge_floating(expected: Expected, bound: torch.Tensor, raw: torch.Tensor) -> Mismatch | None:
    gold, got = expected.gold, raw.to(torch.float64)
    error = (got - gold).abs()
    right = error <= bound
    if expected.signed_zeros:
        right &= (gold != 0) | (torch.signbit(gold) == torch.signbit(got))
    special = ~torch.isfinite(gold)
    if bool(special.any()):
        right = torch.where(special, (got == gold) | (got.isnan() & gold.isnan()), right)
    right &= special | torch.isfinite(got)
    if bool(right.all()):
        return None
    # The worst element has the largest ratio of error to bound. A NaN where a number was expected, or a number where
    # NaN was expected, comes before all others.
    ratio = error / bound.clamp(min=_LEAST)
    beyond = torch.where(right, -1.0, ratio.nan_to_num(nan=torch.inf, posinf=torch.inf))
    flat = int(beyond.reshape(-1).argmax())
    shown = [float(gold.reshape(-1)[flat].to(DTYPE[expected.dtype])), float(got.reshape(-1)[flat])]
    off, allowed = float(error.reshape(-1)[flat]), float(bound.reshape(-1)[flat])
    sizes = (off, allowed) if math.isfinite(off) else (None, None)
    beyond = torch.where(ratio > 1, ratio, torch.inf)  # a zero of the wrong sign counts as infinite
    values = (gold, got, torch.where(right, ratio.clamp(max=1).nan_to_num(nan=0.0), beyond))
    return _mismatch(expected, ~right, flat, shown, hint(~right, raw), values, sizes)


def _mismatch(
    expected: Expected,
    wrong: torch.Tensor,
    flat: int,
    shown: list[Any],
    remark: str,
    values: tuple[torch.Tensor, ...],
    sizes: Sizes = (None, None),
) -> Mismatch:
    """Describe the wrong elements.

    ``values`` are three tensors: the expected values, the kernel's values, and the errors as multiples of their bounds.
    """
    count, index = int(torch.count_nonzero(wrong)), _index(flat, expected.shape)
    facts = (expected.name, count, wrong.numel(), index, shown[0], shown[1], *sizes, remark, expected.exact)
    return Mismatch(*facts, _window(index, expected.shape, values))


def _window(index: tuple[int, ...], shape: tuple[int, ...], values: tuple[torch.Tensor, ...]) -> Window:
    (row, col), (rows, cols) = (0, 0, *index)[-2:], (1, 1, *shape)[-2:]
    top, left = (max(0, min(at - _SHOWN // 2, size - _SHOWN)) for at, size in ((row, rows), (col, cols)))
    parts = []
    for value in values:
        plane = value.reshape(*shape)[index[:-2]] if len(shape) > 2 else value.reshape(rows, cols)
        parts.append(plane[top : top + _SHOWN, left : left + _SHOWN].tolist())
    gold, got = (tuple(tuple(map(_short, line)) for line in part) for part in parts[:2])
    ratios = tuple(tuple(round(ratio, 3) if math.isfinite(ratio) else None for ratio in line) for line in parts[2])
    return Window((top, left), gold, got, ratios)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, numpy.unravel_index(flat, shape)))


def first_difference(
    one: Buffer, other: Buffer, dtype: str, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], Any, Any] | None:
    """The first index at which the bits of two answers differ, and the two values. None if all bits are equal."""
    if memoryview(one) == memoryview(other):
        return None
    width = ITEM_SIZE[dtype]
    left = torch.frombuffer(bytearray(one), dtype=torch.uint8).reshape(-1, width)
    right = torch.frombuffer(bytearray(other), dtype=torch.uint8).reshape(-1, width)
    flat = int((left != right).any(-1).to(torch.uint8).argmax())
    before, after = (read(buffer, dtype, shape).reshape(-1)[flat].item() for buffer in (one, other))
    return _index(flat, shape), before, after


def hint(wrong: torch.Tensor, got: torch.Tensor) -> str:
    """A short remark on what the wrong elements share; empty if nothing. ``got`` is in the output's own dtype."""
    unwritten = wrong & _poisoned(got)
    if bool(unwritten.any()) and not torch.equal(unwritten, wrong):
        place = _place(unwritten) or f"{int(torch.count_nonzero(unwritten))} of them"
        return f"{place.removeprefix('only ')} as if never written"
    return ", ".join(part for part in (_value(got[wrong]), _place(wrong)) if part)


def _value(values: torch.Tensor) -> str:
    if bool(_poisoned(values).all()):
        return f"{values.reshape(-1)[0].item()}, as if never written"
    if values.is_floating_point() and bool(values.isnan().any()):
        return "NaN" if bool(values.isnan().all()) else "some are NaN"
    if values.numel() > 1 and bool((values == 0).all()):
        return "all of those are 0"
    rows = values.contiguous().reshape(-1, 1).view(torch.uint8)
    if values.numel() > 2 and bool((rows == rows[:1]).all()):
        return f"all of those hold {values.reshape(-1)[0].item():.6g}"
    return ""


def _poisoned(values: torch.Tensor) -> torch.Tensor:
    """A mask of the elements that hold only a repeated pair of bytes with which outputs are filled before a call."""
    raw = values.contiguous().reshape(-1, 1).view(torch.uint8)
    found = torch.zeros(len(raw), dtype=torch.bool)
    for poison in (*POISONS, POISON_OF_REPEATS):
        pattern = torch.tensor([*poison.to_bytes(2, "little")], dtype=torch.uint8)
        if raw.shape[1] == 1:
            found |= torch.isin(raw[:, 0], pattern)
        else:
            found |= (raw == pattern.repeat(raw.shape[1] // 2)).all(-1)
    return found.reshape(values.shape)


def _place(wrong: torch.Tensor) -> str:
    count, total = int(torch.count_nonzero(wrong)), wrong.numel()
    if total == 1:
        return ""
    if count == total:
        return "every element"
    along = (_along(wrong, axis, count) for axis in range(wrong.dim() - 1, -1, -1))
    return next(filter(None, along), "") or _beyond(wrong.reshape(-1), count)


def _along(wrong: torch.Tensor, axis: int, count: int) -> str:
    """A remark if all wrong elements have the first index, or all the last index, along an axis; otherwise empty."""
    size = wrong.shape[axis]
    if size < 2:
        return ""
    others = [other for other in range(wrong.dim()) if other != axis]
    hit = wrong.any(dim=others) if others else wrong
    if int(torch.count_nonzero(hit)) != 1:
        return ""
    index = int(hit.to(torch.uint8).argmax())
    if index not in (0, size - 1) or (count == 1 and wrong.dim() > 1 and wrong.numel() > size):
        return ""
    names = {1: ("element",), 2: ("row", "column")}.get(wrong.dim())
    return f"only the {'first' if index == 0 else 'last'} {names[axis] if names else f'index of dim {axis}'}"


def _beyond(wrong: torch.Tensor, count: int) -> str:
    """A remark if all elements before some element are right and most of the rest are wrong, or the reverse.

    Otherwise the text is empty.
    """
    first = int(wrong.to(torch.uint8).argmax())
    rest = wrong.numel() - first
    if first >= 16 and rest > 1 and count >= 0.5 * rest:
        return f"from element {first} on; all before it are right"
    last = wrong.numel() - 1 - int(wrong.flip(0).to(torch.uint8).argmax())
    if last + 1 <= wrong.numel() // 2 and count >= 0.5 * (last + 1) and count > 1:
        return f"up to element {last}; all after it are right"
    return ""
