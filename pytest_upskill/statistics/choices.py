"""Computes precision and recall of a student's choices of a skill.

Precision is the share of the student's choices that are right. Recall is the share of the queries that need the skill
for which the student chose it. ``Trials`` has, for each query, whether the student chose the skill in each trial.
``wanted`` are the queries for which it should choose the skill.
"""

from __future__ import annotations

from collections.abc import Collection

from pytest_upskill.statistics.intervals import Rate, Trials, pass_rate


def recall(chosen: Trials, wanted: Collection[str]) -> Rate:
    """The rate of choices among the wanted queries. Each query counts once, however many trials it has."""
    return pass_rate({query: trials for query, trials in chosen.items() if query in wanted})


def precision(chosen: Trials, wanted: Collection[str]) -> Rate:
    """The share of the student's choices that were for wanted queries. Without a choice, the rate has no mean.

    The choices for one query are all right or all wrong, so together they say no more than one choice. The effective
    number of choices is Kish's (1965, Survey Sampling): the square of the sum over the sum of the squares, where each
    query contributes its share of trials with a choice.
    """
    made = {query: sum(trials) for query, trials in chosen.items() if any(trials)}
    total = sum(made.values())
    if not total:
        return Rate(None, 0, 0)
    right = sum(number for query, number in made.items() if query in wanted)
    return Rate(right / total, len(made), total * total / sum(number * number for number in made.values()))
