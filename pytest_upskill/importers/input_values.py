"""Runs in the sandbox: finds which values the inputs of a problem have, in the form of the key ``values`` of a case."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch

_FEW = 4
"""If a tensor has at most this number of different values, and at least four times as many elements, it has only these
values on purpose.
"""


class TaggedRandint:
    """While it is entered, remembers the bounds of each call of ``torch.randint``."""

    def __init__(self) -> None:
        self._drawn: list[tuple[torch.Tensor, tuple[int, int]]] = []
        self._own: Any = None

    def __enter__(self) -> None:
        self._drawn, self._own = [], torch.randint

        def randint(*given: Any, **named: Any) -> torch.Tensor:
            made = self._own(*given, **named)
            numbers = [one for one in given if isinstance(one, int)]
            low = numbers[0] if len(numbers) > 1 else named.get("low", 0)
            high = numbers[-1] if numbers else named.get("high")
            if isinstance(low, int) and isinstance(high, int):
                self._drawn.append((made, (low, high)))
            assert isinstance(made, torch.Tensor)
            return made

        torch.randint = randint

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.randint = self._own

    def limits(self, tensor: torch.Tensor) -> tuple[int, int] | None:
        """The bounds, low (included) and high (excluded), of a tensor that ``torch.randint`` has drawn; also for its
        views and casts.
        """
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            return None
        for made, limits in self._drawn:
            same = made.shape == tensor.shape and bool((made == tensor).all())
            if made is tensor or made.data_ptr() == tensor.data_ptr() or same:
                return limits
        return None


def described(model: torch.nn.Module, inputs: Sequence[Any], place: int, chance: random.Random) -> str | None:
    """The values of input ``place``; None if it may have any values. For a float tensor, values that keep the results
    finite.
    """
    one = inputs[place]
    assert isinstance(one, torch.Tensor)
    if one.dtype == torch.bool:
        return None
    distinct = torch.unique(one)
    if one.is_floating_point():
        if 2 <= distinct.numel() <= _FEW and one.numel() >= _FEW * distinct.numel():
            return f"[{', '.join(f'{float(value):g}' for value in distinct)}]"
        low = float(one.min())
        if all(_is_finite(model, inputs, place, torch.randn_like(one) * scale) for scale in (1.0, 8.0)):
            return None
        if low >= 0 and _is_finite(model, inputs, place, torch.rand_like(one)):
            return "uniform"
        return "positive" if low > 0 else f"{low:.3g}..{float(one.max()):.3g}"
    return f"{int(one.min())}..{int(one.max())}"


def _is_finite(model: torch.nn.Module, inputs: Sequence[Any], place: int, value: torch.Tensor) -> bool:
    try:
        with torch.no_grad():
            returned = model(*[value if at == place else one for at, one in enumerate(inputs)])
    except Exception:
        return False
    outputs = returned if isinstance(returned, tuple | list) else (returned,)
    return all(bool(torch.isfinite(one).all()) for one in outputs)
