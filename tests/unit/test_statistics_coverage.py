"""How often intervals hold the truth and verdicts are wrong: by adding up all outcomes, or by fixed-seed simulation.

What a test says here stands in docs/statistics.md as well.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pytest_upskill.statistics.gates import GateVerdict, by_interval
from pytest_upskill.statistics.intervals import Posterior, paired_difference, pass_rate, posterior, rate_of_sums, wilson
from pytest_upskill.statistics.significance import lift_verdicts
from pytest_upskill.statistics.until_decided import Progress, lift_stop, rate_stop

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8").split())
RATES = np.arange(1, 50) / 50  # 0.02 to 0.98
FEW_RATES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
SIZES = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def test_wilson_covers_95_percent_on_average_and_82_at_worst() -> None:
    cells = []
    for total in range(2, 51):
        low, high = np.array([wilson(passed, total) for passed in range(total + 1)]).T
        for rate in RATES:
            chance = stats.binom.pmf(np.arange(total + 1), total, rate)
            cells.append(chance[(low <= rate) & (rate <= high)].sum())
    assert 0.945 <= np.mean(cells) <= 0.965
    assert min(cells) >= 0.82
    worst = 2 + int(np.argmin(cells)) // len(RATES)
    assert f"worst cell of Wilson's interval is at {worst} cases" in PAGE
    assert np.mean(np.array(cells) < 0.93) <= 0.07
    row = f"| rate, one trial a case | {percent(np.mean(cells))} | {percent(min(cells))} |"
    assert row in PAGE, row
    assert f"{percent(np.mean(np.array(cells) < 0.93))} of all its cells are below 93%" in PAGE


def trial_counts(trials: int, rate: float, clustering: float) -> np.ndarray:
    """The distribution of how many trials of a case pass; clustering 0: all alike, 1: a case always does the same."""
    if clustering == 0:
        return stats.binom.pmf(np.arange(trials + 1), trials, rate)
    if clustering == 1:
        return np.array([1 - rate, *[0.0] * (trials - 1), rate])
    size = 1 / clustering - 1
    return stats.betabinom.pmf(np.arange(trials + 1), trials, rate * size, (1 - rate) * size)


def rate_coverage(sizes: Iterable[int], trials: int) -> Iterator[float]:
    """For each size, rate and clustering; all outcomes are added up, by the sums of passed trials and their squares."""
    known: dict[tuple[int, int, int], tuple[float, float]] = {}

    def interval(cases: int, passed: int, squares: int) -> tuple[float, float]:
        if (key := (cases, passed, squares)) not in known:
            rate = rate_of_sums(cases, passed / trials, squares / trials**2, cases * trials)
            known[key] = rate.interval() or (1.0, 0.0)
        return known[key]

    for rate, clustering in product(FEW_RATES, (0.0, 0.3, 1.0)):
        chances, joint = trial_counts(trials, rate, clustering), np.ones((1, 1))
        for cases in range(1, max(sizes) + 1):
            longer = np.zeros((joint.shape[0] + trials, joint.shape[1] + trials**2))
            for passed, chance in enumerate(chances):
                longer[passed : passed + joint.shape[0], passed**2 : passed**2 + joint.shape[1]] += chance * joint
            joint = np.where(longer > 1e-12, longer, 0)
            if cases in sizes:
                found = [
                    (joint[each], interval(cases, *map(int, each))) for each in zip(*np.nonzero(joint), strict=True)
                ]
                yield sum(chance for chance, (low, high) in found if low <= rate <= high)


def test_a_rate_of_several_trials_covers_at_least_82_percent_everywhere() -> None:
    cells = [*rate_coverage((2, 3, 5, 8), 2), *rate_coverage((2, 5), 5)]
    assert np.mean(cells) > 0.95
    assert min(cells) > 0.82


@pytest.mark.full
def test_a_rate_of_several_trials_covers_what_the_page_says() -> None:
    cells = [cell for trials in (2, 3, 4, 5) for cell in rate_coverage((2, 3, 5, 10, 20, 50), trials)]
    row = f"| rate, two to five trials | {percent(np.mean(cells))} | {percent(min(cells))} |"
    print(row, len(cells))
    assert min(cells) > 0.82
    assert row in PAGE, row


def differences(trials: int, skill: float, baseline: float, clustering: float) -> dict[float, float]:
    """The distribution of a case's difference."""
    arms = trial_counts(trials, skill, clustering), trial_counts(trials, baseline, clustering)
    found: Counter[float] = Counter()
    for one, other in product(range(trials + 1), repeat=2):
        found[(one - other) / trials] += arms[0][one] * arms[1][other]
    return found


def paired(skill: float, baseline: float, share: float) -> dict[float, float]:
    """One trial a case; ``share`` of the largest covariance that two arms can have by which cases are hard."""
    both = skill * baseline + share * (min(skill, baseline) - skill * baseline)
    return {1.0: skill - both, -1.0: baseline - both, 0.0: 1 - skill - baseline + 2 * both}


KNOWN: dict[tuple[frozenset[tuple[float, int]], float], bool] = {}


def covers(counts: Counter[float], truth: float) -> bool:
    if (key := (frozenset(counts.items()), round(truth, 9))) not in KNOWN:
        KNOWN[key] = Posterior(counts).p_against(truth) >= 0.05
    return KNOWN[key]


def lift_coverage(cases: int, each: dict[float, float]) -> float:
    """All multisets of differences, weighted by their chance."""
    truth, found = sum(value * chance for value, chance in each.items()), 0.0
    for values in combinations_with_replacement([value for value in each if each[value] > 1e-12], cases):
        counts = Counter(values)
        chance = math.factorial(cases) * math.prod(each[one] ** n / math.factorial(n) for one, n in counts.items())
        if chance > 1e-7 and covers(counts, truth):
            found += chance
    return found


def test_a_lift_covers_at_least_90_percent_everywhere() -> None:
    pairs = [(0.9, 0.1), (0.7, 0.3), (0.5, 0.5), (0.3, 0.02), (0.9, 0.7)]
    one = [lift_coverage(n, paired(*rates, share)) for n in (2, 4, 6) for rates in pairs for share in (0.0, 1.0)]
    several = [lift_coverage(n, differences(2, *rates, c)) for n in (2, 3) for rates in pairs for c in (0.0, 0.5)]
    assert np.mean(one) > 0.95 and np.mean(several) > 0.95
    assert min(one) > 0.9 and min(several) > 0.9


@pytest.mark.full
def test_a_lift_of_one_trial_covers_what_the_page_says() -> None:
    rates = [(skill, baseline) for skill in FEW_RATES for baseline in FEW_RATES if baseline <= skill]
    cells = {(n, *each, share): lift_coverage(n, paired(*each, share))
             for n in SIZES for each in rates for share in (0.0, 0.5, 1.0)}  # fmt: skip
    equal = [cell for (_, skill, baseline, _), cell in cells.items() if skill == baseline]
    row = f"| lift, one trial a case | {percent(np.mean(list(cells.values())))} | {percent(min(cells.values()))} |"
    print(row, len(cells), percent(min(equal)))
    assert min(cells.values()) >= 0.9
    assert row in PAGE, row
    assert f"holds zero in {percent(min(equal))} of runs at worst" in PAGE


@pytest.mark.full
def test_a_lift_of_several_trials_covers_what_the_page_says() -> None:
    cells, draw = [], np.random.default_rng(17)
    for trials, skill, baseline, clustering in product((2, 3, 5), (0.02, 0.3, 0.5, 0.9), (0.02, 0.3, 0.9), (0.0, 0.5)):
        each = differences(trials, skill, baseline, clustering)
        values, truth = list(each), sum(value * chance for value, chance in each.items())
        for cases in (2, 3, 5, 10, 20, 50):
            samples = draw.multinomial(cases, np.array(list(each.values())) / sum(each.values()), 400)
            held = [covers(Counter({value: int(n) for value, n in zip(values, sample, strict=True) if n}), truth)
                    for sample in samples]  # fmt: skip
            cells.append(np.mean(held))
    row = f"| lift, two to five trials | {percent(np.mean(cells))} | {percent(min(cells))} |"
    print(row, len(cells))
    assert min(cells) >= 0.9
    assert row in PAGE, row


def suite(draw: random.Random, shape: tuple[int, int], cases: int, trials: int) -> list[dict[str, list[bool]]]:
    """Two arms without any difference: cases differ, and both arms have a case's rate."""
    rates = [draw.betavariate(*shape) for _ in range(cases)]
    return [{str(case): [draw.random() < each for _ in range(trials)] for case, each in enumerate(rates)}
            for _ in range(2)]  # fmt: skip


def partly(arm: dict[str, list[bool]], seen: int) -> Progress:
    return Progress({case: arm[case] for case in list(arm)[:seen]}, {case: len(trials) for case, trials in arm.items()})


def errors(suites: int, seed: int) -> dict[str, float]:
    """Over suites without an effect, of one to three students each: how often any verdict of each kind is wrong."""
    draw, wrong = random.Random(seed), Counter[str]()
    for _ in range(suites):
        cases, trials, students = draw.randint(4, 25), draw.choice((1, 1, 2, 3)), draw.choice((1, 1, 2, 3))
        shape = draw.choice(((1, 1), (5, 5), (8, 2), (2, 8)))
        truth = shape[0] / sum(shape)
        runs = [suite(draw, shape, cases, trials) for _ in range(students)]
        lifts = [paired_difference(*arms) for arms in runs]
        verdicts = lift_verdicts([(one.pairs, one.mean, one.p) for one in lifts])
        wrong["lift verdicts"] += any(one.verdict in ("better", "worse") for one in verdicts)
        gates = by_interval([(posterior(*arms), 0.0) for arms in runs])
        wrong["gate on the lift's interval"] += any(one is not GateVerdict.INCONCLUSIVE for one in gates)
        gates = by_interval([(pass_rate(arms[0]), truth) for arms in runs])
        wrong["gate on the rate's interval"] += any(one is not GateVerdict.INCONCLUSIVE for one in gates)
        wrong["until decided, lift"] += any(stopped(arms, 0.0, students) for arms in runs)
        wrong["until decided, rate"] += any(stopped(arms[:1], truth, students) for arms in runs)
    return {kind: wrong[kind] / suites for kind in sorted(wrong)}


def stopped(arms: Sequence[dict[str, list[bool]]], threshold: float, gates: int) -> bool:
    """Whether a run that may stop after every case ever passes or fails a gate whose threshold is the truth."""
    for seen in range(1, len(arms[0]) + 1):
        some = [partly(arm, seen) for arm in arms]
        stop = (lift_stop if len(some) == 2 else rate_stop)(*some, threshold, interval=True, gates=gates)  # type: ignore[operator]
        if stop is not None:
            return stop.verdict is not GateVerdict.INCONCLUSIVE
    return False


def test_suites_without_an_effect_are_seldom_decided() -> None:
    assert max(errors(20, seed=3).values()) <= 0.1


@pytest.mark.full
def test_a_thousand_suites_without_an_effect_err_as_the_page_says() -> None:
    found = errors(1000, seed=20261130)
    print(found)
    for kind, share in found.items():
        assert share <= 0.065, kind
        row = f"| {kind} | {percent(share)} |"
        assert row in PAGE, row
