"""Measures how often two answers to the same yes-or-no questions agree, beyond agreement by chance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Pairs = Sequence[tuple[bool, bool]]
"""For each question: the first answer and the second."""


def agreement(pairs: Pairs) -> float | None:
    """The share of pairs whose two answers agree. None if there are no pairs."""
    return fmean(one == other for one, other in pairs) if pairs else None


def kappa(pairs: Pairs) -> float | None:
    """Fleiss' kappa of two answers to each question (Fleiss 1971, Psychol. Bull. 76, eq. 7).

    For two answers it equals Scott's pi (1955, Public Opin. Q. 19). It is 1 if all pairs agree, and 0 if they agree as
    often as by chance. The order of the two answers in a pair has no effect. None if there are no pairs, or if all
    answers are the same, because then answers would always agree by chance alone.
    """
    if (observed := agreement(pairs)) is None:
        return None
    yes = fmean(answer for pair in pairs for answer in pair)
    chance = yes * yes + (1 - yes) * (1 - yes)
    return None if chance == 1 else (observed - chance) / (1 - chance)
