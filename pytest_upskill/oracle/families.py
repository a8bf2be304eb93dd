"""Families of moderate values, as most kernels get them; one call mixes several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

Size = tuple[int, ...]


def normal(size: Size, random: torch.Generator) -> torch.Tensor:
    """Standard normal."""
    dtype = torch.float64 if math.prod(size) < 1 << 12 else torch.float32
    return torch.randn(size, generator=random, dtype=dtype)


def _uniform(size: Size, random: torch.Generator) -> torch.Tensor:
    low, high = ((-1.0, 1.0), (0.0, 1.0), (-4.0, 4.0))[integer(3, random)]
    return torch.rand(size, generator=random) * (high - low) + low


def _shifted(size: Size, random: torch.Generator) -> torch.Tensor:
    mean = 1 + 3 * share(random)
    return normal(size, random) + (mean if share(random) < 0.7 else -mean)


def _scaled(size: Size, random: torch.Generator) -> torch.Tensor:
    """Normal times up to 8: one factor for all, or one for each row."""
    if len(size) > 1 and share(random) < 0.5:
        factors = torch.rand((*size[:-1], 1), generator=random).mul(math.log(8.0)).exp()
        return normal(size, random) * factors
    return normal(size, random) * math.pow(8.0, share(random))


def _equal(size: Size, random: torch.Generator) -> torch.Tensor:
    """Equal elements in each row, equal rows, or one value everywhere."""
    kind = integer(3, random)
    if kind == 0 and size:
        return (normal((*size[:-1], 1), random) * 2).expand(size)
    if kind == 1 and len(size) > 1:
        return normal(size[-1:], random).expand(size)
    return (normal((), random) * 2).expand(size)


def _one_sign(size: Size, random: torch.Generator) -> torch.Tensor:
    """All elements negative, or all positive."""
    values = normal(size, random).abs() + 0.01
    return values if integer(2, random) else -values


def _far(size: Size, random: torch.Generator) -> torch.Tensor:
    """All elements far from zero: some hundreds below it, or above 10,000 (float16 ends at 65,504); in half of the
    tensors, each row for itself."""
    spread, kinds = normal(size, random).abs(), size[:-1] if size and integer(2, random) else ()
    above = torch.randint(2, (*kinds, *(1,) * bool(kinds)), generator=random) == 1
    return torch.where(above, 1e4 + 1e3 * spread, -100 - 50 * spread)


def _zeros(size: Size, random: torch.Generator) -> torch.Tensor:
    values, chance = normal(size, random), torch.rand(size, generator=random)
    values[chance < 0.05] = 0.0
    values[chance > 0.95] = -0.0
    return values


def _outliers(size: Size, random: torch.Generator) -> torch.Tensor:
    """Normal, with about one element in 256, and at least one, of a size of 16 to 64."""
    values = normal(size, random).reshape(-1)
    if values.numel() == 0:
        return values.reshape(size)
    count = max(1, values.numel() // 256)
    places = torch.randint(values.numel(), (count,), generator=random)
    large = 16 + 48 * torch.rand(count, generator=random)
    values[places] = (large * (torch.randint(2, (count,), generator=random) * 2 - 1)).to(values.dtype)
    return values.reshape(size)


Family = Callable[[Size, torch.Generator], torch.Tensor]

_FUNCTIONS: tuple[Family, ...] = (normal, _uniform, _shifted, _scaled, _equal, _zeros, _outliers, _one_sign, _far)
_PURE = {function.__name__.removeprefix("_"): function for function in _FUNCTIONS}


def mixed(size: Size, random: torch.Generator) -> torch.Tensor:
    """Two or three families, row by row; a vector has one."""
    pure = list(_PURE.values())
    order: list[Family] = [pure[index] for index in torch.randperm(len(pure), generator=random).tolist()]
    if len(size) < 2 or math.prod(size[:-1]) < 2:
        return order[0](size, random)
    count = 2 + integer(2, random)
    which = torch.randint(count, (*size[:-1], 1), generator=random)
    values = order[0](size, random)
    for index in range(1, count):
        values = torch.where(which == index, order[index](size, random), values)
    return values


FAR = "far"
"""A family that each dtype meets several times: a search that starts from some number is wrong on it alone."""

INTEGERS = "integers"
"""The family of ``exact``: whole numbers, for linear references alone."""

FAMILIES: Mapping[str, Family] = {**_PURE, "mixed": mixed}
"""Moderate values, simplest first."""

WEIGHTED = (*_PURE, "mixed", "mixed", "mixed", "mixed")
"""What an example's family is drawn from: about a third of the examples mix several families in one tensor."""


def share(random: torch.Generator) -> float:
    """A random number between 0 and 1."""
    return float(torch.rand((), generator=random))


def integer(below: int, random: torch.Generator) -> int:
    """A random integer from 0 to ``below``, exclusive."""
    return int(torch.randint(below, (), generator=random))
