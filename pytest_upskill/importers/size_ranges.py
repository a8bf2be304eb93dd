"""Finds the sizes that work, by trying some. Does not need torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import gcd

Values = tuple[int, ...]

LARGEST = {0: 128, 1: 4096, 2: 512, 3: 64, 4: 24, 5: 12}
"""The largest size of a dim, by the number of dimensions of the tensors that have it (0: only parameters have it)."""
_TRIED = (1, 2, 3, 4, 5, 8, 12, 17)
_JOINT = 4
_LEAST_OPTIONS = 3


@dataclass(slots=True)
class Found:
    """The sizes that work, by site. If ``is_range`` is True, ``dims`` has the first and the last size, and all sizes
    between them work; if the site is in ``steps``, only the multiples of its step work.
    """

    dims: dict[int, tuple[int, ...]] = field(default_factory=dict)
    is_range: dict[int, bool] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)

    def drop(self, site: int) -> None:
        del self.dims[site], self.is_range[site]
        self.steps.pop(site, None)

    def sample(self, site: int, chance: random.Random) -> int:
        sizes, step = self.dims[site], self.steps.get(site, 1)
        if not self.is_range[site]:
            return chance.choice(sizes)
        low, high = -(-sizes[0] // step), sizes[-1] // step
        return step * chance.choice((low, high, chance.randint(low, high), chance.randint(low, min(high, low + 8))))


def ranges(works: Callable[[Values], bool], base: Values, roles: Mapping[int, int], original: Values) -> Found:
    """For each site in ``roles``, the sizes that work while the other sites have their ``base`` sizes. ``roles`` gives
    numbers of dimensions. A site is left out if too few sizes work.
    """
    found = Found()
    for site, rank in roles.items():
        high = max(min(original[site], LARGEST[min(rank, max(LARGEST))]), base[site])
        high = min(max(high, 8), original[site]) if original[site] > 1 else 8
        tried = sorted({*(one for one in _TRIED if one <= high), base[site], high // 2, high} - {0})
        good = [one for one in tried if one == base[site] or works((*base[:site], one, *base[site + 1 :]))]
        if len(good) < 2:
            continue
        step = gcd(*good)
        inside = [one for one in tried if good[0] <= one <= good[-1]]
        if good == inside:
            found.dims[site], found.is_range[site] = (good[0], good[-1]), True
        elif step > 1 and good == [one for one in inside if one % step == 0]:
            found.dims[site], found.is_range[site] = (good[0], good[-1]), True
            found.steps[site] = step
        elif len(good) >= _LEAST_OPTIONS:
            found.dims[site], found.is_range[site] = tuple(good), False
    return found


def joint_samples(works: Callable[[Values], bool], base: Values, found: Found) -> list[Values]:
    """Sample sizes with all sites varying at once.

    If a sample does not work, a site that has to agree with others is dropped from ``found``, and new samples are
    drawn.
    """
    _raise_lows(works, base, found)
    while found.dims:
        chance = random.Random(0)
        samples = [
            tuple(found.sample(site, chance) if site in found.dims else value for site, value in enumerate(base))
            for _ in range(_JOINT)
        ]
        samples.append(tuple(found.dims[site][0] if site in found.dims else value for site, value in enumerate(base)))
        if all(map(works, samples)):
            return samples
        culprit = _culprit(works, base, found, samples)
        found.drop(culprit)
    return []


def _raise_lows(works: Callable[[Values], bool], base: Values, found: Found) -> None:
    """If the smallest sizes do not work together, raise the smallest size of one site so that they work. For example, a
    variance needs two values, in whichever dim.
    """
    lows = tuple(found.dims[site][0] if site in found.dims else value for site, value in enumerate(base))
    if works(lows):
        return
    for site in found.dims:
        sizes, step = found.dims[site], found.steps.get(site, 1)
        second = sizes[0] + step if found.is_range[site] else sizes[1]
        if second < sizes[-1] and works((*lows[:site], second, *lows[site + 1 :])):
            found.dims[site] = (second, sizes[-1]) if found.is_range[site] else sizes[1:]
            return


def _culprit(works: Callable[[Values], bool], base: Values, found: Found, samples: list[Values]) -> int:
    """The site whose reset to its base size repairs the most samples. Of equal sites, the last one is taken."""
    broken = [one for one in samples if not works(one)]

    def mended(site: int) -> int:
        return sum(works((*one[:site], base[site], *one[site + 1 :])) for one in broken)

    return max(reversed(found.dims), key=mended)
