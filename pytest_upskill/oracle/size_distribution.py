"""Distributions of the sizes that a dim may have. Sizes at which kernels often break have more weight.

A distribution maps a step (an integer below ``STEPS``) to a size, and a higher step never has a smaller size. So the
smallest failing step gives the smallest failing size, and a shrinker finds it without knowing anything about sizes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import isqrt

STEPS = 1 << 24
"""The number of steps of every distribution."""

SPECIAL = (0, 1, 2, 3, 31, 32, 33, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025,
           65535, 65536, 65537)  # fmt: skip
"""Sizes with extra weight: small ones, and those around the limits of warps, blocks and grids."""

PRIMES = (5, 7, 13, 17, 61, 97, 251, 509, 1021, 2053, 4099)
"""A few prime sizes, which no tile size divides."""

_PARTS = 4
"""The number of primes that are tried in the upper half of a range."""

_ORDINARY = 0.35
"""The share of the steps for all sizes without extra weight. It is spread evenly over the orders of magnitude."""


@dataclass(frozen=True, slots=True)
class SizeDistribution:
    """Segments of sizes. Each segment has its first and last size, and the share of all steps up to its end."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    ends: tuple[float, ...]

    def pick(self, step: int) -> int:
        """The size at a step."""
        share = step / STEPS
        index = min(bisect_right(self.ends, share), len(self.ends) - 1)
        start = self.ends[index - 1] if index else 0.0
        within = (share - start) / max(self.ends[index] - start, 1e-12)
        return _between(self.first[index], self.last[index], within)


def _between(first: int, last: int, share: float) -> int:
    if first < 1:
        return min(last, first + int((last - first + 1) * share))
    return min(last, int(first * ((last + 1) / first) ** share))


@lru_cache(maxsize=4096)
def of_range(low: int, high: int) -> SizeDistribution:
    """The sizes ``low`` to ``high``, both included. Special sizes, the bounds and their neighbours have more weight."""
    inside = sorted(size for size in {low, low + 1, high - 1, high, *SPECIAL, *PRIMES} if low <= size <= high)
    return _build([*((size, size, _weight(size)) for size in inside), *_gaps(inside)])


@lru_cache(maxsize=4096)
def of_upper_half(low: int, high: int) -> SizeDistribution:
    """The sizes ``low`` to ``high``, which are the upper half of a range.

    The end of the range and some primes have more weight. All other sizes have the same weight.
    """
    places = (low + (high - low) * part // _PARTS for part in range(1, _PARTS + 1))
    special = sorted({high - 1, high, *(_prime(place, low) for place in places)} & {*range(low, high + 1)})
    gaps = [(left + 1, right - 1) for left, right in pairwise([low - 1, *special]) if right - left > 1]
    scale = len(special) / max(sum(last - first + 1 for first, last in gaps), 1)
    return _build([*((one, one, 1.0) for one in special), *((a, b, scale * (b - a + 1)) for a, b in gaps)])


def _prime(below: int, least: int) -> int:
    """The largest prime from ``least`` + 1 to ``below``. If this range has no prime, ``least``."""
    return next((n for n in range(below, least, -1) if all(n % d for d in range(2, isqrt(n) + 1))), least)


@lru_cache(maxsize=4096)
def of_sizes(sizes: tuple[int, ...]) -> SizeDistribution:
    """A distribution in which these sizes have the same weight."""
    return _build([(size, size, 1.0) for size in sizes])


def _weight(size: int) -> float:
    return 0.5 if size in PRIMES else 1.0


def _gaps(inside: list[int]) -> list[tuple[int, int, float]]:
    gaps = [(left, right) for left, right in pairwise(inside) if right - left > 1]
    widths = [max(right / max(left, 1), 1.0001) ** 0.5 - 1 for left, right in gaps]
    scale = sum(map(_weight, inside)) * _ORDINARY / (1 - _ORDINARY) / sum(widths) if widths else 0.0
    return [(left + 1, right - 1, width * scale) for (left, right), width in zip(gaps, widths, strict=True)]


def _build(segments: Iterable[tuple[int, int, float]]) -> SizeDistribution:
    ordered = sorted(segments)
    total = sum(weight for _, _, weight in ordered)
    first, last, weights = zip(*ordered, strict=True)
    return SizeDistribution(first, last, tuple(end / total for end in accumulate(weights)))
