"""Precision and recall of choices, and their intervals."""

from __future__ import annotations

import random

import pytest

from pytest_upskill.statistics.choices import precision, recall
from pytest_upskill.statistics.intervals import wilson

QUERIES = [f"q{number}" for number in range(20)]
WANTED = set(QUERIES[:10])


def test_one_trial_each_gives_wilsons_intervals() -> None:
    chosen = {query: [number < 7 or number in (12, 15)] for number, query in enumerate(QUERIES)}
    assert (precision(chosen, WANTED).mean, recall(chosen, WANTED).mean) == (pytest.approx(7 / 9), 0.7)
    assert precision(chosen, WANTED).interval() == pytest.approx(wilson(7, 9))
    assert recall(chosen, WANTED).interval() == pytest.approx(wilson(7, 10))


def test_never_and_always() -> None:
    never, always = ({query: [side] for query in QUERIES} for side in (False, True))
    assert precision(never, WANTED).mean is None and precision(never, WANTED).interval() is None
    assert recall(never, WANTED).mean == 0
    assert (precision(always, WANTED).mean, recall(always, WANTED).mean) == (0.5, 1.0)
    assert recall({}, WANTED).mean is None


def test_more_trials_of_the_same_queries_prove_no_more_about_precision() -> None:
    once, often = ({query: [query in QUERIES[5:15]] * trials for query in QUERIES} for trials in (1, 50))
    assert precision(once, WANTED).interval() == pytest.approx(precision(often, WANTED).interval())


def test_the_intervals_cover_the_true_values() -> None:
    """Queries differ in how often they are chosen; 20 of them, drawn from many, with three trials each."""
    draw = random.Random(7)
    kinds = [(True, 0.9), (True, 0.6), (False, 0.3), (False, 0.05)]
    true_precision = 1.5 / (1.5 + 0.35)
    covered = {"precision": 0, "recall": 0}
    for _ in range(400):
        drawn = [draw.choice(kinds) for _ in QUERIES]
        chosen = {
            query: [draw.random() < rate for _ in range(3)] for query, (_, rate) in zip(QUERIES, drawn, strict=True)
        }
        wanted = {query for query, (side, _) in zip(QUERIES, drawn, strict=True) if side}
        found = precision(chosen, wanted).interval(), recall(chosen, wanted).interval()
        for name, truth, interval in zip(covered, (true_precision, 0.75), found, strict=True):
            covered[name] += interval is None or interval[0] <= truth <= interval[1]
    assert all(number >= 0.92 * 400 for number in covered.values()), covered
