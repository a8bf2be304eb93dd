"""Computes the distribution of a mean whose weights have a Dirichlet distribution. numpy is imported on use."""

import math
from bisect import bisect_left
from collections.abc import Mapping

_NEGLIGIBLE = 18.0
"""The integral is cut off where its factor falls below exp(-18), so that probabilities are right to about 1e-8."""
_MOST_STEPS = 1 << 17
_PARTS = 1 << 24


def mean_cdf(x: float, weights: Mapping[float, float]) -> float:
    """The probability that the weighted mean of the keys is at most ``x``.

    The weights have a Dirichlet distribution whose parameters are the values of ``weights``. A Dirichlet vector is a
    vector of independent gamma variables divided by their sum. So the result is the probability that
    sum(gamma * (key - x)) <= 0. It is computed from the characteristic function of this sum, which is inverted by
    Gil-Pelaez's formula with the midpoint rule (Imhof 1961, Biometrika 48; Davies 1973, Biometrika 60; Provost and
    Cheong 2000, Can. J. Stat. 28).
    """
    import numpy

    away, weight = numpy.array([(key - x, value) for key, value in weights.items() if value > 0]).T
    if not (away < 0).any():
        return float(not away.any())
    if not (away > 0).any():
        return 1.0
    deviation = math.sqrt((weight * away**2).sum())
    step = math.pi / (abs((weight * away).sum()) + 8 * deviation + 20 * float(abs(away).max()))
    last = 1 / deviation
    while (weight * numpy.log1p((away * last) ** 2)).sum() / 2 < _NEGLIGIBLE and last < step * _MOST_STEPS:
        last *= 1.5
    turns = numpy.arange(int(last / step) + 1) + 0.5
    angle, size = numpy.zeros_like(turns), numpy.zeros_like(turns)
    for one, share in zip(away, weight, strict=True):
        product = turns * (step * one)
        angle += share * numpy.arctan(product)
        size -= share / 2 * numpy.log1p(product**2)
    return min(max(0.5 - float((numpy.exp(size) * numpy.sin(angle) / turns).sum()) / math.pi, 0.0), 1.0)


def mean_quantile(probability: float, weights: Mapping[float, float]) -> float:
    """The ``x`` at which ``mean_cdf`` is ``probability``, with an error of at most 1e-7 of the range of the keys."""
    # This is a bisection, because importing scipy.optimize takes as long as 4,000 values of the function.
    low, width = min(weights), max(weights) - min(weights)
    found = bisect_left(range(_PARTS), probability, key=lambda part: mean_cdf(low + width * part / _PARTS, weights))
    return low + width * found / _PARTS
