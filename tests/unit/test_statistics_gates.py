"""Gates, stopping early, planning and flags."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

import pytest

from pytest_upskill.statistics.flags import ADVICE, Flag, case_flags
from pytest_upskill.statistics.gates import GateVerdict, by_cost, by_estimate, by_interval, exit_status
from pytest_upskill.statistics.intervals import Rate, Trials, pass_rate, posterior, wilson
from pytest_upskill.statistics.planning import cases_for_verdict, needed_for_lift, needed_for_rate
from pytest_upskill.statistics.until_decided import CURTAILED, Progress, Stop, lift_stop, rate_stop

PASS, FAIL, INCONCLUSIVE = GateVerdict.PASS, GateVerdict.FAIL, GateVerdict.INCONCLUSIVE


def arm(text: str, each: int = 1) -> dict[str, list[bool]]:
    """``"10"``: case 0 passed, case 1 failed."""
    return {str(case): [char == "1"] * each for case, char in enumerate(text)}


def progress(text: str) -> Progress:
    """``"10."``: the third case has no reply yet."""
    done = {case: trials for case, trials in arm(text).items() if text[int(case)] != "."}
    return Progress(done, dict.fromkeys(map(str, range(len(text))), 1))


@pytest.mark.parametrize(
    ("text", "threshold", "verdict"), [("11110", 0.8, PASS), ("1110", 0.8, FAIL), ("", 0.8, INCONCLUSIVE)]
)
def test_a_gate_compares_the_estimate(text: str, threshold: float, verdict: GateVerdict) -> None:
    assert by_estimate(pass_rate(arm(text)), threshold) is verdict


def test_rounding_fails_no_gate() -> None:
    tenths = {str(case): [True] * 7 + [False] * 3 for case in range(10)}  # its mean is 0.7000000000000001 or less
    assert by_estimate(pass_rate(tenths), 0.7) is PASS
    assert by_estimate(posterior(arm("111"), arm("110")), 1 / 3) is PASS


def test_a_gate_on_intervals_needs_the_whole_interval_on_one_side() -> None:
    gate = pass_rate(arm("1" * 18 + "00"))
    low, high = wilson(18, 20) or (0, 0)
    for threshold, verdict in [
        (low - 0.01, PASS),
        (low + 0.01, INCONCLUSIVE),
        (high - 0.01, INCONCLUSIVE),
        (high + 0.01, FAIL),
    ]:
        assert by_interval([(gate, threshold)]) == [verdict]


def test_several_gates_share_the_level() -> None:
    close = (pass_rate(arm("1" * 18 + "00")), (wilson(18, 20) or (0, 0))[0] - 0.01)
    unsure = (pass_rate(arm("1010")), 0.5)
    assert by_interval([close]) == [PASS]
    assert by_interval([close, unsure, unsure]) == [INCONCLUSIVE] * 3
    certain = (pass_rate(arm("1" * 40)), 0.5)
    assert by_interval([certain, unsure, unsure]) == [PASS, INCONCLUSIVE, INCONCLUSIVE]


def test_a_gate_on_lift_with_few_cases_is_inconclusive() -> None:
    assert by_interval([(posterior(arm("1"), arm("0")), 0.0)]) == [INCONCLUSIVE]
    assert by_interval([(posterior(arm("11"), arm("00")), 0.0)]) == [INCONCLUSIVE]
    assert by_interval([(posterior(arm("1" * 9), arm("0" * 9)), 0.0)]) == [PASS]
    assert by_interval([(posterior(arm("0" * 9), arm("1" * 9)), 0.0)]) == [FAIL]


@pytest.mark.parametrize(
    ("usd", "unpriced", "verdict"), [(0.9, 0, PASS), (1.0, 0, PASS), (1.1, 3, FAIL), (0.9, 1, INCONCLUSIVE)]
)
def test_a_gate_on_cost_knows_what_has_no_price(usd: float, unpriced: int, verdict: GateVerdict) -> None:
    assert by_cost(usd, 1.0, unpriced) is verdict


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [([], 0), ([PASS], 0), ([PASS, INCONCLUSIVE], 7), ([INCONCLUSIVE, FAIL], 1), ([PASS, FAIL], 1)],
)
def test_a_failed_gate_decides_the_exit_status_before_an_inconclusive_one(
    verdicts: list[GateVerdict], status: int
) -> None:
    assert exit_status(verdicts) == status


@pytest.mark.parametrize(
    ("text", "threshold", "verdict"),
    [("11111111..", 0.8, PASS), ("1111111...", 0.8, None), ("000.......", 0.8, FAIL), ("00........", 0.8, None)],
)
def test_replies_that_cannot_change_a_gate_are_not_needed(
    text: str, threshold: float, verdict: GateVerdict | None
) -> None:
    stop = rate_stop(progress(text), threshold)
    assert stop == (verdict and Stop(verdict, CURTAILED))


def endings(text: str) -> list[str]:
    """Every way to complete it; an ``x`` is a reply that was not decided, which counts nowhere."""
    return ["".join(filled) for filled in product(*("01x" if char == "." else char for char in text))]


def decided(text: str) -> Trials:
    return {case: trials for case, trials in arm(text).items() if text[int(case)] != "x"}


@pytest.mark.parametrize("interval", [False, True])
def test_a_curtailed_rate_is_the_verdict_of_every_ending(interval: bool) -> None:
    found = set()
    for text in ("11111111....", "1111111111..", "0000000.....", "101010......", "1010101010..", "000000000..."):
        for threshold in (0.3, 0.5, 0.6):
            stop = rate_stop(progress(text), threshold, interval)
            if stop is None or stop.reason != CURTAILED:
                continue
            for ending in endings(text):
                rate = pass_rate(decided(ending))
                verdict = by_interval([(rate, threshold)])[0] if interval else by_estimate(rate, threshold)
                assert verdict is stop.verdict, (text, ending, threshold)
            found.add(stop.verdict)
    assert found == ({PASS, FAIL, INCONCLUSIVE} if interval else {PASS, FAIL})


@pytest.mark.parametrize("interval", [False, True])
def test_a_curtailed_lift_is_the_verdict_of_every_ending(interval: bool) -> None:
    found = set()
    for skill, baseline in [("111111111.", "0000000000"), ("1111111111", "000000000."), ("000000000.", "111111111."),
                            ("11100.", "11100."), ("1110.", "1110.")]:  # fmt: skip
        for threshold in (0.0, 0.2):
            stop = lift_stop(progress(skill), progress(baseline), threshold, interval)
            if stop is None or stop.reason != CURTAILED:
                continue
            for one, other in product(endings(skill), endings(baseline)):
                lift = posterior(decided(one), decided(other))
                verdict = by_interval([(lift, threshold)])[0] if interval else by_estimate(lift, threshold)
                assert verdict is stop.verdict, (one, other, threshold)
            found.add(stop.verdict)
    assert found == ({PASS, FAIL, INCONCLUSIVE} if interval else {PASS, FAIL})


def test_a_clear_result_stops_a_long_run_early() -> None:
    long = progress("1" * 15 + "." * 985)
    assert rate_stop(long, 0.5) == Stop(PASS, "its confidence sequence excludes 0.5")
    failing = rate_stop(progress("0" * 15 + "." * 985), 0.5, interval=True)
    assert failing == Stop(FAIL, "its confidence sequence excludes 0.5")
    assert rate_stop(progress("10" * 8 + "." * 984), 0.5) is None
    assert rate_stop(progress("1" * 9 + "." * 985), 0.5, gates=100) is None
    skill, baseline = progress("1" * 12 + "." * 988), progress("0" * 12 + "." * 988)
    assert lift_stop(skill, baseline, 0.0) == Stop(PASS, "its confidence sequence excludes +0")
    assert lift_stop(baseline, skill, 0.0) == Stop(FAIL, "its confidence sequence excludes +0")


def test_the_sequence_that_decides_is_told_and_excludes_the_threshold() -> None:
    passing = rate_stop(progress("1" * 15 + "." * 985), 0.5)
    assert passing and passing.sequence and 0.5 < passing.sequence[0] < passing.sequence[1] == 1
    skill, baseline = progress("1" * 20 + "." * 980), progress("0" * 20 + "." * 980)
    lifted = lift_stop(skill, baseline, 0.2)
    assert lifted and lifted.sequence and 0.2 < lifted.sequence[0] < lifted.sequence[1] == 1
    level_ = lift_stop(skill, baseline, 0.0)
    assert level_ and level_.sequence is None, "cases that did not change are left out"
    curtailed = rate_stop(progress("11111111.."), 0.8)
    assert curtailed and curtailed.sequence is None


def test_only_cases_whose_trials_are_all_there_count_for_the_bound() -> None:
    begun = Progress({str(case): [True] for case in range(30)}, dict.fromkeys(map(str, range(1000)), 2))
    assert rate_stop(begun, 0.5) is None


def test_nothing_decided_yet_stops_nothing() -> None:
    assert rate_stop(progress("...."), 0.5) is None
    assert lift_stop(progress("...."), progress("...."), 0.0) is None


def test_more_cases_are_the_fewest_that_decide() -> None:
    trials = arm("1110111011" * 2)
    needed = needed_for_rate(trials, 0.7)
    rate = pass_rate(trials)
    assert needed.cases is not None and needed.cases > 0
    for extra in range(needed.cases):
        assert rate.scaled(20 + extra).p_against(0.7) > 0.05
    assert rate.scaled(20 + needed.cases).p_against(0.7) <= 0.05
    assert needed_for_rate(trials, 0.8).cases is None, "the rate is exactly the threshold"
    assert needed_for_rate(trials, 0.2).cases == 0, "decided already"
    assert needed_for_rate({}, 0.5).cases is None


def test_more_trials_decide_only_what_is_not_due_to_the_cases() -> None:
    noisy: Trials = {str(case): [True, True, case % 2 == 0] for case in range(30)}
    needed = needed_for_rate(noisy, 0.77)
    assert needed.trials is not None and needed.trials >= 1
    fixed: Trials = {str(case): [case % 6 > 0] * 3 for case in range(30)}
    assert needed_for_rate(fixed, 0.77).trials is None
    assert needed_for_rate(arm("1110"), 0.5).trials is None, "one trial a case says nothing about noise"


def test_more_cases_or_trials_decide_a_lift() -> None:
    skill: Trials = {str(case): [True, case % 2 == 0, case % 3 == 0, case % 5 == 0] for case in range(40)}
    baseline: Trials = {str(case): [case % 2 == 1, False, case % 4 == 0, case % 7 == 0] for case in range(40)}
    needed = needed_for_lift(skill, baseline, 0.2)
    assert needed.cases is not None and needed.cases > 0
    assert needed.trials is not None and needed.trials > 0
    assert needed_for_lift(arm("1"), arm("0")).cases is None
    found = posterior(arm("111110"), arm("000010"))
    assert cases_for_verdict(found) == 3
    assert (cases_for_verdict(found, comparisons=4) or 0) > 3


@pytest.mark.parametrize(
    ("skill", "baseline", "flags"),
    [
        ("1", "1", (Flag.SATURATED,)),
        ("0", "0", (Flag.NEVER_PASSES,)),
        ("1", "0", ()),
        ("0", "1", (Flag.SATURATED, Flag.NEGATIVE)),
        ("10", "10", (Flag.NO_LIFT, Flag.FLAKY)),
        ("10", "00", (Flag.FLAKY,)),
        ("100", "110", (Flag.NEGATIVE, Flag.FLAKY)),
        ("", "11", (Flag.SATURATED,)),
        ("00", "", (Flag.NEVER_PASSES,)),
        ("0", "", ()),
        ("", "00", ()),
        ("11", "", ()),
        ("", "", ()),
    ],
)
def test_flags_of_a_case(skill: str, baseline: str, flags: Sequence[Flag]) -> None:
    assert case_flags([char == "1" for char in skill], [char == "1" for char in baseline]) == flags


def test_every_flag_says_what_to_do() -> None:
    assert set(ADVICE) == set(Flag)


def test_until_decided_errs_in_few_suites_without_an_effect() -> None:
    draw, wrong = random.Random(11), 0
    for _ in range(40):
        wrong += stops_wrongly(draw, cases=20, rate=0.5)
    assert wrong <= 5


def stops_wrongly(draw: random.Random, cases: int, rate: float) -> bool:
    """Whether a run of two equal arms ends, or stops after some case, with a lift above 20 or below -20 points."""
    texts = ["".join("1" if draw.random() < rate else "0" for _ in range(cases)) for _ in range(2)]
    for seen in range(2, cases + 1, 3):
        arms = [progress(text[:seen] + "." * (cases - seen)) for text in texts]
        for threshold, wrong in ((0.0, PASS), (0.0, FAIL)):
            stop = lift_stop(*arms, threshold, interval=True)
            if stop is not None and stop.verdict is wrong:
                return True
    return False


def test_a_rate_without_cases_is_no_rate() -> None:
    assert Rate(None, 0, 0).interval() is None
