"""How far two answers to the same yes-or-no questions agree, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Pairs = Sequence[tuple[bool, bool]]
"""For each question: the first answer and the second."""


def agreement(pairs: Pairs) -> float | None:
    """The share of pairs that agree; None without a pair."""
    return fmean(one == other for one, other in pairs) if pairs else None


def kappa(pairs: Pairs) -> float | None:
    """Fleiss' kappa of two answers each (Fleiss 1971, Psychol. Bull. 76, eq. 7), which is Scott's pi (1955, Public
    Opin. Q. 19): 1 if all agree, 0 if they agree as often as by chance. It takes the order in a pair to mean nothing.

    None without a pair, or if all answers are the same: then chance alone would agree always.
    """
    if (observed := agreement(pairs)) is None:
        return None
    yes = fmean(answer for pair in pairs for answer in pair)
    chance = yes * yes + (1 - yes) * (1 - yes)
    return None if chance == 1 else (observed - chance) / (1 - chance)
