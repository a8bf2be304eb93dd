"""Families of moderate values, which most kernels get as inputs. One call can mix several families."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

Size = tuple[int, ...]


def normal(size: Size, random: torch.Generator) -> torch.Tensor:
    """Values with the standard normal distribution."""
    dtype = torch.float64 if math.prod(size) < 1 << 12 else torch.float32
    return torch.randn(size, generator=random, dtype=dtype)


def _uniform(size: Size, random: torch.Generator) -> torch.Tensor:
    low, high = ((-1.0, 1.0), (0.0, 1.0), (-4.0, 4.0))[integer(3, random)]
    return torch.rand(size, generator=random) * (high - low) + low


def _shifted(size: Size, random: torch.Generator) -> torch.Tensor:
    mean = 1 + 3 * share(random)
    return normal(size, random) + (mean if share(random) < 0.7 else -mean)


def _scaled(size: Size, random: torch.Generator) -> torch.Tensor:
    """Normal values times a factor of up to 8. All rows share the factor, or each row has its own."""
    if len(size) > 1 and share(random) < 0.5:
        factors = torch.rand((*size[:-1], 1), generator=random).mul(math.log(8.0)).exp()
        return normal(size, random) * factors
    return normal(size, random) * math.pow(8.0, share(random))


def _equal(size: Size, random: torch.Generator) -> torch.Tensor:
    """Tensors in which the elements of each row are equal, or all rows are equal, or all elements are equal."""
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
    """Elements far from zero: all some hundreds below zero, or all above 10,000 (float16 ends at 65,504).

    In half of the tensors, each row chooses one of the two by itself."""
    spread, kinds = normal(size, random).abs(), size[:-1] if size and integer(2, random) else ()
    above = torch.randint(2, (*kinds, *(1,) * bool(kinds)), generator=random) == 1
    return torch.where(above, 1e4 + 1e3 * spread, -100 - 50 * spread)


def _zeros(size: Size, random: torch.Generator) -> torch.Tensor:
    values, chance = normal(size, random), torch.rand(size, generator=random)
    values[chance < 0.05] = 0.0
    values[chance > 0.95] = -0.0
    return values


def _outliers(size: Size, random: torch.Generator) -> torch.Tensor:
    """Normal values, except that about one element in 256, and at least one, has a magnitude from 16 to 64."""
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
    """Values of two or three families: each row has one of them. A vector has a single family."""
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
"""The family of values far from zero. It is tried several times with each dtype, because it alone detects a kernel
whose search for a maximum or minimum starts from a fixed number such as 0."""

INTEGERS = "integers"
"""The family of whole numbers, which the module ``exact`` draws for linear references only."""

FAMILIES: Mapping[str, Family] = {**_PURE, "mixed": mixed}
"""The families of moderate values by name, simplest first."""

WEIGHTED = (*_PURE, "mixed", "mixed", "mixed", "mixed")
"""The names among which an example's family is drawn. ``mixed`` is repeated, so that about a third of the examples mix
several families in one tensor."""


def share(random: torch.Generator) -> float:
    """A random number between 0 and 1."""
    return float(torch.rand((), generator=random))


def integer(below: int, random: torch.Generator) -> int:
    """A random integer from 0 to ``below`` - 1."""
    return int(torch.randint(below, (), generator=random))
