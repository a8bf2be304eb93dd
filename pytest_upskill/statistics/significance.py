"""Exact tests of paired differences, and a correction for several comparisons. numpy is imported on use."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
_MOST_SUMS = 200_000
_FLIPS = 9999
_SEED = 20240229
"""If there are too many sums to count, signs are drawn with this seed, so that equal outcomes always give equal p."""


def sign_flip(differences: Sequence[int]) -> float:
    """The two-sided p value of the hypothesis that each difference is as likely as its negative.

    It is the share of all ways to sign the differences for which the sum is at least as far from zero as the observed
    sum (Fisher 1935, The Design of Experiments, section 21). If all differences have the same size, this is McNemar's
    exact test. ``differences`` are numerators over a common denominator.
    """
    found, moved = _as_far(differences, 0), sum(map(bool, differences))
    return _plain(max(found, least_p(moved))) if sum(differences) else 1.0


def one_sided(differences: Sequence[int]) -> float:
    """The one-sided p value of the hypothesis that each difference is as likely as its negative.

    It is the share of all ways to sign the differences for which the sum is at least as large as the observed sum. It
    takes at least five positive differences, and none negative, for p <= 0.05.
    """
    if sum(differences) > 0:
        return sign_flip(differences) / 2
    return _plain(1 - _as_far(differences, 1) / 2)


def fewest_gains(losses: int = 0, level: float = LEVEL) -> int:
    """The smallest number of better cases with which ``one_sided`` reaches ``level`` if ``losses`` cases are worse."""
    gains = losses
    while not one_sided([1] * gains + [-1] * losses) <= level:
        gains += 1
    return gains


def _as_far(differences: Sequence[int], beyond: int) -> float:
    """The share of all ways to sign the differences for which the sum is at least as far from zero as the observed sum.

    If ``beyond`` is 1, only sums that are farther from zero count.
    """
    # The sign of a zero changes nothing. Dividing by the common divisor leaves fewer sums to count.
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
    """The share of ways to sign the differences, counted exactly.

    The distribution of the sum comes from its Fourier transform, which is the product of cos(size * frequency).
    """
    import numpy

    points = 1 << (2 * most + 1).bit_length()
    frequencies = numpy.arange(points) * (2 * math.pi / points)
    transform = numpy.ones(points)
    for size, number in sizes.items():
        transform *= numpy.cos(size * frequencies) ** number
    shares = numpy.fft.fft(transform).real / points
    return float(2 * shares[observed : most + 1].sum())


def _sampled(sizes: Counter[int], _most: int, observed: int) -> float:
    """The share of ways to sign the differences, estimated from random signs.

    The observed signs count as one more draw (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9).
    """
    import numpy

    generator = numpy.random.default_rng(_SEED)
    sums = numpy.zeros(_FLIPS)
    for size, number in sizes.items():
        sums += size * (2.0 * generator.binomial(number, 0.5, _FLIPS) - number)
    return float((1 + (abs(sums) >= observed * (1 - 1e-12)).sum()) / (1 + _FLIPS))


def least_p(pairs: int) -> float:
    """The smallest p value that ``sign_flip`` can return for ``pairs`` differences."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(comparisons: int = 1, level: float = LEVEL) -> int:
    """The smallest number of pairs with which one of several comparisons could reach ``level``.

    It is 6 for a single comparison at the default level.
    """
    return 1 + math.ceil(math.log2(comparisons / level))


def holm(values: Sequence[float]) -> list[float]:
    """The p values of several comparisons after Holm's correction (Holm 1979, Scand. J. Stat. 6).

    If they are compared with a level, the probability that any of the verdicts is wrong is at most the level.
    """
    corrected, highest = [1.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min((len(values) - rank) * values[index], 1.0))
        corrected[index] = highest
    return corrected


@dataclass(frozen=True, slots=True)
class LiftVerdict:
    """A verdict and the corrected p value. The verdict is ``better``, ``worse`` or ``undecided``.

    It is None if there are so few cases that no outcome could decide.
    """

    verdict: str | None
    p: float | None
    decidable: bool


def lift_verdicts(tests: Sequence[tuple[int, float | None, float | None]]) -> list[LiftVerdict]:
    """The verdicts on several lifts, corrected for their number.

    Each test is a number of pairs, their mean difference and its p value.
    """
    corrected = iter(holm([p for _, _, p in tests if p is not None]))
    best = iter(holm([least_p(pairs) for pairs, _, p in tests if p is not None]))
    return [LiftVerdict(None, None, False) if p is None else _verdict(mean or 0.0, next(corrected), next(best) <= LEVEL)
            for _, mean, p in tests]  # fmt: skip


def _verdict(mean: float, p: float, decidable: bool) -> LiftVerdict:
    decided = "undecided" if p > LEVEL else "better" if mean > 0 else "worse"
    return LiftVerdict(decided if decidable else None, p, decidable)
