"""Statistics against published values and independent libraries."""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from pytest_upskill.statistics.dirichlet import mean_cdf, mean_quantile
from pytest_upskill.statistics.intervals import (
    Posterior,
    paired_difference,
    paired_ratio,
    pass_rate,
    rate_of,
    wilson,
)
from pytest_upskill.statistics.repeated_trials import flip_rate, pass_all_k, pass_at_k
from pytest_upskill.statistics.significance import fewest_gains, holm, least_p, one_sided, pairs_needed, sign_flip
from pytest_upskill.statistics.until_decided import confidence_sequence, log_evidence


@pytest.fixture(scope="module")
def statsmodels() -> Any:
    """Its statistics package; imported once, for it takes a second or two."""
    from statsmodels.stats import contingency_tables, multitest, proportion

    class Functions:
        proportion_confint = staticmethod(proportion.proportion_confint)
        mcnemar = staticmethod(contingency_tables.mcnemar)
        multipletests = staticmethod(multitest.multipletests)

    return Functions


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_table_i_of_newcombe_1998(passed: int, total: int, low: float, high: float) -> None:
    assert wilson(passed, total) == pytest.approx((low, high), abs=5e-5)


def test_wilson_agrees_with_statsmodels(statsmodels: Any) -> None:
    for passed, total in [(0, 2), (1, 2), (2, 2), (1, 3), (3, 7), (7, 8), (17, 20), (20, 20), (1, 50), (499, 1000)]:
        for confidence in (0.95, 0.99):
            expected = statsmodels.proportion_confint(passed, total, 1 - confidence, "wilson")
            assert wilson(passed, total, confidence) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_of_darwins_maize_is_what_fisher_counted() -> None:
    # The Design of Experiments, section 21: 863 of 32,768 sums are at least 314.
    inches = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip(inches) == pytest.approx(2 * 863 / 32768, abs=1e-12)


def test_sign_flip_of_single_trials_is_mcnemars_exact_test(statsmodels: Any) -> None:
    for gains, losses in [(1, 0), (2, 1), (6, 0), (5, 5), (5, 1), (10, 3), (0, 9), (12, 11), (40, 20), (300, 240)]:
        table = [[7, gains], [losses, 3]]
        expected = statsmodels.mcnemar(table, exact=True).pvalue
        assert sign_flip([1] * gains + [-1] * losses + [0] * 10) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("differences", [[3, 2, -1, 5, 7], [2, 2, 2, -4], [60, -15, 20, 12, 0, 0, 30], [1, -1, 1]])
def test_sign_flip_counts_all_ways_to_sign(differences: list[int]) -> None:
    sums = [abs(sum(signs)) for signs in product(*((one, -one) for one in differences))]
    expected = sum(one >= abs(sum(differences)) for one in sums) / len(sums)
    assert sign_flip(differences) == pytest.approx(expected, abs=1e-12)


def test_one_sided_of_single_trials_is_the_binomial_test() -> None:
    for gains, losses in product(range(7), range(7)):
        expected = stats.binomtest(gains, gains + losses, alternative="greater").pvalue if gains + losses else 1.0
        assert one_sided([1] * gains + [-1] * losses + [0] * 3) == pytest.approx(expected, rel=1e-9)


def test_one_sided_counts_all_ways_to_sign() -> None:
    for differences in ([3, -1, 2], [1, 1, -5, 2], [-2, -1], [2, -2], [7, 3, 3, -1, 0, -4]):
        sums = [
            sum(s * d for s, d in zip(signs, differences, strict=True))
            for signs in product((1, -1), repeat=len(differences))
        ]
        expected = sum(one >= sum(differences) for one in sums) / len(sums)
        assert one_sided(differences) == pytest.approx(expected, abs=1e-12)


def test_five_cases_must_be_better_and_none_worse() -> None:
    assert one_sided([1] * 4) > 0.05 >= one_sided([1] * 5)
    assert [fewest_gains(losses) for losses in range(4)] == [5, 7, 9, 10]
    assert fewest_gains(0, 0.05 / 3) == 6


def test_sign_flip_of_too_many_sums_is_sampled_close_to_the_exact_value() -> None:
    large = [100_003 * one + 1 for one in (3, 2, -1, 5, 7, -6, 8, 1, 9)]
    sums = [abs(sum(signs)) for signs in product(*((one, -one) for one in large))]
    expected = sum(one >= abs(sum(large)) for one in sums) / len(sums)
    assert sign_flip(large) == pytest.approx(expected, abs=0.01)
    assert sign_flip(large) == sign_flip(large)


def test_holm_agrees_with_statsmodels(statsmodels: Any) -> None:
    for values in ([0.03], [0.01, 0.04, 0.03, 0.2], [0.5, 0.5], [1.0, 0.001], [0.0125, 0.0125, 0.02, 0.9, 0.0001]):
        expected = statsmodels.multipletests(values, method="holm")[1]
        assert holm(values) == pytest.approx(list(expected))
    assert holm([]) == []


def test_six_pairs_can_decide_and_five_cannot() -> None:
    assert (pairs_needed(), pairs_needed(level=0.1), pairs_needed(8)) == (6, 5, 9)
    assert least_p(6) <= 0.05 < least_p(5)
    assert least_p(5) / 2 <= 0.05 < least_p(4) / 2, "five for a one-sided test"
    assert sign_flip([1] * 6) == least_p(6)


@pytest.mark.parametrize(
    ("a", "b", "x"), [(0.5, 0.5, 0.1), (2.5, 0.5, 0.95), (8, 3.5, 0.6), (40.5, 10.5, 0.7), (1, 1, 0.3), (300, 2, 0.99)]
)
def test_a_mean_of_two_values_has_a_beta_distribution(a: float, b: float, x: float) -> None:
    assert mean_cdf(x, {1.0: a, 0.0: b}) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-6)
    assert mean_quantile(0.025, {1.0: a, 0.0: b}) == pytest.approx(stats.beta.ppf(0.025, a, b), abs=1e-5)


def difference_of_shares(x: float, gains: float, losses: float, others: float) -> float:
    """Of Dirichlet shares, by integrating over the sum of the first two: given it, the first is a beta variable."""
    inner = quad(lambda t: stats.beta.pdf(t, gains + losses, others) * stats.beta.cdf((1 + x / t) / 2, gains, losses),
                 abs(x), 1, limit=400, epsabs=1e-11)[0]  # fmt: skip
    return inner + (stats.beta.cdf(x, gains + losses, others) if x > 0 else 0.0)


@pytest.mark.parametrize(
    ("gains", "losses", "pairs", "x"),
    [(2, 0, 2, -0.24), (2, 0, 2, 0.95), (5, 0, 8, 0.81), (0, 0, 50, 0.04), (1, 1, 3, 0.6), (10, 3, 20, 0.004),
     (0, 0, 2500, 0.0009), (300, 200, 2500, 0.0226)],
)  # fmt: skip
def test_the_posterior_of_a_2x2_table_agrees_with_numerical_integration(
    gains: int, losses: int, pairs: int, x: float
) -> None:
    weights = {1.0: gains + 0.5, -1.0: losses + 0.5, 0.0: pairs - gains - losses + 1}
    expected = difference_of_shares(x, gains + 0.5, losses + 0.5, pairs - gains - losses + 1)
    assert mean_cdf(x, weights) == pytest.approx(expected, abs=1e-6)


def test_the_posterior_of_several_trials_agrees_with_simulation() -> None:
    weights = {1.0: 0.5, 0.6: 2.0, 0.2: 3.0, 0.0: 2.0, -0.4: 1.0, -1.0: 0.5}
    drawn = np.random.default_rng(5).dirichlet(list(weights.values()), 100_000) @ np.array(list(weights))
    for probability in (0.025, 0.5, 0.975):
        assert mean_quantile(probability, weights) == pytest.approx(np.quantile(drawn, probability), abs=0.006)


def test_the_interval_is_the_posteriors_where_gains_and_losses_both_occurred() -> None:
    found = Posterior({1.0: 7, -1.0: 2, 0.0: 5})
    weights = {1.0: 7.5, -1.0: 2.5, 0.0: 6.0}
    assert found.interval() == pytest.approx((mean_quantile(0.025, weights), mean_quantile(0.975, weights)), abs=1e-5)


def test_without_a_loss_the_upper_limit_is_clopper_and_pearsons(statsmodels: Any) -> None:
    for gains, pairs in [(5, 8), (1, 2), (0, 20)]:
        upper = statsmodels.proportion_confint(gains, pairs, 0.1, "beta")[1]
        assert Posterior({1.0: gains, 0.0: pairs - gains}).interval()[1] == pytest.approx(upper, abs=1e-6)


@pytest.mark.parametrize("counts", [{1.0: 5, 0.0: 3}, {0.2: 4, -0.4: 3}, {1.0: 7, -1.0: 2, 0.0: 5}])
def test_p_against_a_threshold_is_where_the_interval_ends(counts: dict[float, float]) -> None:
    found = Posterior(counts)
    for limit in found.interval(0.9):
        assert found.p_against(limit) == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(("values", "trials"), [([0.5, 1.0, 0.25, 0.75], 16), ([1.0] * 9 + [0.5], 20), ([1, 0, 1], 3)])
def test_p_against_a_rate_is_where_its_interval_ends(values: list[float], trials: int) -> None:
    found = rate_of(values, trials)
    low, high = found.interval(0.9) or (0, 0)
    assert found.p_against(low) == pytest.approx(0.1, abs=1e-6)
    assert found.p_against(high) == pytest.approx(0.1, abs=1e-6)


def test_many_clustered_trials_have_the_standard_error_of_a_cluster_sample() -> None:
    draw = np.random.default_rng(3)
    rates = draw.binomial(5, draw.beta(2, 1, 2000)) / 5
    found = rate_of(list(rates), 10_000)
    assert found.mean is not None
    naive = found.mean * (1 - found.mean)
    assert math.sqrt(naive / found.effective) == pytest.approx(stats.sem(rates), rel=0.01)


@pytest.mark.parametrize(
    ("passed", "total", "k"), [(0, 5, 1), (1, 5, 2), (3, 10, 5), (10, 10, 3), (4, 6, 3), (2, 4, 4)]
)
def test_pass_at_k_and_pass_all_k_count_the_subsets(passed: int, total: int, k: int) -> None:
    trials = [True] * passed + [False] * (total - passed)
    subsets = list(combinations(trials, k))
    assert pass_at_k({"a": trials}, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    assert pass_all_k({"a": trials}, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))
    # The product of Chen et al. 2021, figure 3.
    product_ = 1.0 if total - passed < k else 1 - np.prod(1 - k / np.arange(total - passed + 1, total + 1))
    assert pass_at_k({"a": trials}, k) == pytest.approx(product_)


def test_pass_at_k_leaves_out_cases_with_fewer_trials() -> None:
    assert pass_at_k({"a": [True, False], "b": [False]}, 2) == 1.0
    assert pass_at_k({"a": [True]}, 2) is None
    assert pass_all_k({}, 1) is None


def test_flip_rate_is_the_share_of_pairs_of_trials_that_differ() -> None:
    trials = {"a": [True, True, False], "b": [True, True], "c": [False]}
    pairs = [[one != other for one, other in combinations(each, 2)] for each in (trials["a"], trials["b"])]
    found = flip_rate(trials)
    assert found.mean == pytest.approx(np.mean([np.mean(each) for each in pairs]))
    assert found.cases == 2
    assert flip_rate({"a": [True]}).mean is None


def test_a_ratios_interval_is_students_on_the_logarithms() -> None:
    treated, control = [100, 250, 180, 90], [60, 200, 90, 100]
    logs = np.log(np.array(treated) / np.array(control))
    low, high = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    by_case = [{str(case): [value] for case, value in enumerate(arm)} for arm in (treated, control)]
    found = paired_ratio(*by_case)
    assert found.mean == pytest.approx(stats.gmean(np.array(treated) / np.array(control)))
    assert found.interval == pytest.approx((math.exp(low), math.exp(high)))


def test_equal_ratios_of_few_cases_are_not_certain() -> None:
    equal = {"a": [10.0], "b": [30.0], "c": [0.0]}
    found = paired_ratio(equal, equal)
    assert (found.pairs, found.mean) == (2, 1.0)
    assert found.interval is not None and found.interval[0] < 0.95 and found.interval[1] > 1.05
    assert paired_ratio({"a": [1.0]}, {"a": [2.0]}).interval is None
    assert paired_ratio({"a": [1.0]}, {"b": [2.0]}).mean is None


@pytest.mark.parametrize(("passed", "total", "rate"), [(8, 10, 0.3), (0, 12, 0.2), (5, 5, 0.5), (40, 90, 0.7)])
def test_evidence_is_the_ratio_of_beta_binomial_and_binomial_probabilities(
    passed: int, total: int, rate: float
) -> None:
    mixture = stats.betabinom.logpmf(passed, total, rate, 1 - rate)
    assert log_evidence(passed, total, rate) == pytest.approx(mixture - stats.binom.logpmf(passed, total, rate))


@pytest.mark.parametrize(("passed", "total"), [(8, 10), (0, 10), (10, 10), (50, 100)])
def test_a_confidence_sequence_ends_where_the_evidence_is_20_to_1(passed: int, total: int) -> None:
    low, high = confidence_sequence(passed, total) or (0, 0)
    assert low <= passed / total <= high
    for limit in (low, high):
        if 0 < limit < 1:
            assert log_evidence(passed, total, limit) == pytest.approx(math.log(20), abs=1e-6)
    wide = wilson(passed, total) or (0, 0)
    assert high - low > wide[1] - wide[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_over_200_looks_a_confidence_sequence_errs_in_at_most_5_percent(rate: float) -> None:
    # Exactly: the distribution of the passed, of runs that have not yet excluded the true rate.
    alive, total, bound = np.ones(1), 0, math.log(20)
    for total in range(1, 201):
        alive = np.append(alive * (1 - rate), 0) + np.append(0, alive * rate)
        excluded = [log_evidence(passed, total, rate) >= bound for passed in range(total + 1)]
        alive[excluded] = 0
    assert 0.005 < 1 - alive.sum() <= 0.05


def test_one_trial_a_case_gives_wilsons_interval() -> None:
    assert pass_rate({"a": [True], "b": [False], "c": [True]}).interval() == wilson(2, 3)


def test_differences_with_unequal_trials_are_exact() -> None:
    treated = {"a": [True] * 3, "b": [True, False], "c": [True], "d": [False], "e": [True] * 7}
    control = {"a": [False] * 5, "b": [False] * 3, "c": [True, False], "d": [True, False], "e": [False] * 2}
    found = paired_difference(treated, control)
    assert found.p == pytest.approx(sign_flip([2, 1, 1, -1, 2]))  # halves
    assert found.mean == pytest.approx((1 + 0.5 + 0.5 - 0.5 + 1) / 5)
