"""Splits cases into a training part and a held-out part of equal size and difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from pytest_upskill.cases.provenance import Part


def split(new: Mapping[str, float], known: Mapping[str, tuple[Part, float]]) -> dict[str, Part]:
    """The part of each new case, chosen by its difficulty. Cases in ``known`` keep their parts.

    Cases of neighbouring difficulty go to different parts in turn, so that both parts are about equally large and
    difficult. The names decide which of two equally difficult cases comes first, so the same cases are always split in
    the same way.
    """
    parts: dict[str, Part] = {}
    counts: dict[Part, int] = {"training": 0, "held-out": 0}
    weight: dict[Part, float] = {"training": 0.0, "held-out": 0.0}

    def add(part: Part, difficulty: float) -> None:
        counts[part] += 1
        weight[part] += difficulty

    for part, difficulty in known.values():
        add(part, difficulty)
    # The hardest cases come first, so that the differences that remain to be balanced get smaller.
    for name in sorted(new, key=lambda one: (-new[one], sha256(one.encode()).digest())):
        ahead = counts["training"] - counts["held-out"] or weight["training"] - weight["held-out"]
        chosen: Part = "held-out" if ahead >= 0 else "training"
        parts[name] = chosen
        add(chosen, new[name])
    return parts
