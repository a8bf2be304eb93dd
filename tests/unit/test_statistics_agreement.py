"""Agreement of a judge with itself, against an independent library."""

from __future__ import annotations

import random

import pytest

from pytest_upskill.statistics.agreement import agreement, kappa


def test_kappa_is_that_of_an_independent_library() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    draw = random.Random(5)
    for _ in range(20):
        first = [draw.random() < 0.6 for _ in range(25)]
        pairs = [(one, one if draw.random() < 0.8 else not one) for one in first]
        table = [[2 - sum(pair), sum(pair)] for pair in pairs]
        assert kappa(pairs) == pytest.approx(inter_rater.fleiss_kappa(table))


def test_answers_at_random_have_no_agreement_beyond_chance() -> None:
    draw = random.Random(1)
    pairs = [(draw.random() < 0.5, draw.random() < 0.5) for _ in range(20_000)]
    assert kappa(pairs) == pytest.approx(0, abs=0.02) and agreement(pairs) == pytest.approx(0.5, abs=0.02)


def test_the_limits_of_kappa() -> None:
    assert kappa([(True, True), (False, False)]) == 1
    assert kappa([(True, False), (False, True)]) == -1
    assert kappa([(True, True)] * 9) is None and agreement([(True, True)] * 9) == 1
    assert kappa([]) is None and agreement([]) is None
    assert kappa([(True, False), (True, True)]) == kappa([(False, True), (True, True)])
