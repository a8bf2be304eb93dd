"""Exact tests of paired differences, and their correction for several comparisons. numpy loads on use."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
_MOST_SUMS = 200_000
_FLIPS = 9999
_SEED = 20240229
"""Where the sums are too many to count, random flips with this seed: the same outcomes always give the same p."""


def sign_flip(differences: Sequence[int]) -> float:
    """Two-sided p value of the hypothesis that each difference is as likely as its negative.

    The share of all ways to sign the differences whose sum is as far from zero (Fisher 1935, The Design of Experiments,
    section 21). Where all have the same size this is McNemar's exact test. ``differences`` are on a common denominator.
    """
    found, moved = _as_far(differences, 0), sum(map(bool, differences))
    return _plain(max(found, least_p(moved))) if sum(differences) else 1.0


def one_sided(differences: Sequence[int]) -> float:
    """One-sided p value of the same hypothesis: the share of all ways to sign the differences whose sum is as large.

    At least five differences must be positive, and none negative, for p <= 0.05.
    """
    if sum(differences) > 0:
        return sign_flip(differences) / 2
    return _plain(1 - _as_far(differences, 1) / 2)


def fewest_gains(losses: int = 0, level: float = LEVEL) -> int:
    """The fewest cases that must be better for ``one_sided`` to reach the level if ``losses`` are worse."""
    gains = losses
    while not one_sided([1] * gains + [-1] * losses) <= level:
        gains += 1
    return gains


def _as_far(differences: Sequence[int], beyond: int) -> float:
    """The share of all signs whose sum is as far from zero as the observed one; ``beyond`` 1: farther."""
    # Zeros are the same flipped. Without a common divisor there are fewer sums to count.
    moved = [abs(one) for one in differences if one]
    unit, observed = math.gcd(*moved), abs(sum(differences))
    if not moved:
        return 1.0 - beyond
    sizes, most = Counter(one // unit for one in moved), sum(moved) // unit
    count = _counted if most <= _MOST_SUMS else _sampled
    return count(sizes, most, observed // unit + beyond)


def _plain(p: float) -> float:
    return min(float(f"{p:.12g}"), 1.0)  # the transform is right to 1e-15, and p is a plain fraction


def _counted(sizes: Counter[int], most: int, observed: int) -> float:
    """The exact distribution of the sum, from its Fourier transform: the product of cos(size * frequency)."""
    import numpy

    points = 1 << (2 * most + 1).bit_length()
    frequencies = numpy.arange(points) * (2 * math.pi / points)
    transform = numpy.ones(points)
    for size, number in sizes.items():
        transform *= numpy.cos(size * frequencies) ** number
    shares = numpy.fft.fft(transform).real / points
    return float(2 * shares[observed : most + 1].sum())


def _sampled(sizes: Counter[int], _most: int, observed: int) -> float:
    """As Phipson and Smyth 2010 (Stat. Appl. Genet. Mol. Biol. 9): the sample is one of the ways itself."""
    import numpy

    generator = numpy.random.default_rng(_SEED)
    sums = numpy.zeros(_FLIPS)
    for size, number in sizes.items():
        sums += size * (2.0 * generator.binomial(number, 0.5, _FLIPS) - number)
    return float((1 + (abs(sums) >= observed * (1 - 1e-12)).sum()) / (1 + _FLIPS))


def least_p(pairs: int) -> float:
    """The smallest p value that ``sign_flip`` can return for this number of differences."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(comparisons: int = 1, level: float = LEVEL) -> int:
    """The fewest pairs with which one of several comparisons could reach the level; 6 for a single one."""
    return 1 + math.ceil(math.log2(comparisons / level))


def holm(values: Sequence[float]) -> list[float]:
    """p values of several comparisons, corrected so that any wrong verdict has at most the level's probability.

    Holm 1979 (Scand. J. Stat. 6).
    """
    corrected, highest = [1.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min((len(values) - rank) * values[index], 1.0))
        corrected[index] = highest
    return corrected


@dataclass(frozen=True, slots=True)
class LiftVerdict:
    """``better``, ``worse`` or ``undecided``, None if no outcome of so few cases could decide; and the corrected p."""

    verdict: str | None
    p: float | None
    decidable: bool


def lift_verdicts(tests: Sequence[tuple[int, float | None, float | None]]) -> list[LiftVerdict]:
    """Verdicts on several lifts at once; each test is a number of pairs, their mean difference and its p value."""
    corrected = iter(holm([p for _, _, p in tests if p is not None]))
    best = iter(holm([least_p(pairs) for pairs, _, p in tests if p is not None]))
    return [LiftVerdict(None, None, False) if p is None else _verdict(mean or 0.0, next(corrected), next(best) <= LEVEL)
            for _, mean, p in tests]  # fmt: skip


def _verdict(mean: float, p: float, decidable: bool) -> LiftVerdict:
    decided = "undecided" if p > LEVEL else "better" if mean > 0 else "worse"
    return LiftVerdict(decided if decidable else None, p, decidable)
