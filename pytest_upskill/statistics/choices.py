"""Precision and recall of a student's choices: how many of those it made were right, and how many right ones it made.

``Trials`` has for each query whether each of its trials was a choice of the skill; ``wanted`` are the queries for which
it should be.
"""

from __future__ import annotations

from collections.abc import Collection

from pytest_upskill.statistics.intervals import Rate, Trials, pass_rate


def recall(chosen: Trials, wanted: Collection[str]) -> Rate:
    """The rate of choices among the wanted queries; a query counts once, whatever its trials."""
    return pass_rate({query: trials for query, trials in chosen.items() if query in wanted})


def precision(chosen: Trials, wanted: Collection[str]) -> Rate:
    """The share of wanted queries among the choices that were made; no rate without a choice.

    The choices of one query are all right or all wrong, and say no more than one: the effective number is Kish's (1965,
    Survey Sampling), the square of their sum over the sum of their squares.
    """
    made = {query: sum(trials) for query, trials in chosen.items() if any(trials)}
    total = sum(made.values())
    if not total:
        return Rate(None, 0, 0)
    right = sum(number for query, number in made.items() if query in wanted)
    return Rate(right / total, len(made), total * total / sum(number * number for number in made.values()))
