"""Describes in a few words what wrong elements have in common."""

from __future__ import annotations

import torch

POISONS = ((0xF9, 0x7F), (0xFA, 0xFF), (0xFC, 0x7F))
"""Outputs are filled with one of these pairs of bytes (low, high): each is a NaN of every floating dtype."""


def hint(wrong: torch.Tensor, got: torch.Tensor) -> str:
    """A short remark on the wrong elements, or an empty text. ``got`` is in the output's own dtype."""
    return ", ".join(part for part in (_value(got[wrong]), _place(wrong)) if part)


def _value(values: torch.Tensor) -> str:
    if _poison(values):
        return f"{values.reshape(-1)[0].item()}, as if never written"
    if values.is_floating_point() and bool(values.isnan().any()):
        return "NaN" if bool(values.isnan().all()) else "some are NaN"
    if values.numel() > 1 and bool((values == 0).all()):
        return "all of those are 0"
    rows = values.contiguous().reshape(-1, 1).view(torch.uint8)
    if values.numel() > 2 and bool((rows == rows[:1]).all()):
        return f"all of those hold {values.reshape(-1)[0].item():.6g}"
    return ""


def _poison(values: torch.Tensor) -> bool:
    """Whether the values hold one of the pairs of bytes that outputs are filled with before a call, repeated."""
    raw = values.contiguous().reshape(-1, 1).view(torch.uint8).reshape(-1)
    if values.element_size() == 1:
        return any(bool(torch.isin(raw, torch.tensor(pair, dtype=torch.uint8)).all()) for pair in POISONS)
    return any(bool((raw[0::2] == low).all()) and bool((raw[1::2] == high).all()) for low, high in POISONS)


def _place(wrong: torch.Tensor) -> str:
    count, total = int(torch.count_nonzero(wrong)), wrong.numel()
    if total == 1:
        return ""
    if count == total:
        return "every element"
    for axis in range(wrong.dim() - 1, -1, -1):
        found = _along(wrong, axis, count)
        if found:
            return found
    return _beyond(wrong.reshape(-1), count)


def _along(wrong: torch.Tensor, axis: int, count: int) -> str:
    """Says so where all wrong elements have the first or the last index along an axis."""
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
    """Says so where everything up to some element is right and most of what follows is wrong, or the reverse."""
    first = int(wrong.to(torch.uint8).argmax())
    rest = wrong.numel() - first
    if first >= 16 and rest > 1 and count >= 0.5 * rest:
        return f"from element {first} on; all before it are right"
    last = wrong.numel() - 1 - int(wrong.flip(0).to(torch.uint8).argmax())
    if last + 1 <= wrong.numel() // 2 and count >= 0.5 * (last + 1) and count > 1:
        return f"up to element {last}; all after it are right"
    return ""
