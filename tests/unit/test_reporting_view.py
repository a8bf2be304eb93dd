"""The model behind every report: what is counted where."""

from __future__ import annotations

import random

import pytest

from pytest_upskill.records import Tokens, VerdictKind
from pytest_upskill.reporting.view import build_view
from tests.unit.reporting_outcomes import golden, outcome, run, spec


def test_total_is_passed_and_failed_only() -> None:
    view = build_view(
        [
            outcome("a"),
            outcome("b", failed={"memory": "out of bounds"}),
            outcome("c", kind=VerdictKind.INCONCLUSIVE),
            outcome("d", kind=VerdictKind.INFRASTRUCTURE_ERROR),
            outcome("e", kind=VerdictKind.BUDGET_STOPPED),
        ],
        run(),
    )
    row = view.summary[0]
    assert (row.passed, row.total, row.inconclusive, row.errors, row.stopped) == (1, 2, 1, 1, 1)
    assert (row.pass_rate, row.assertions_passed, row.assertions_total) == (0.5, 8.5, 9.0)
    assert dict(row.first_failed) == {"memory": 1}


def test_nothing_decided_has_no_rate() -> None:
    row = build_view([outcome(kind=VerdictKind.INCONCLUSIVE)], run()).summary[0]
    assert (row.pass_rate, row.interval, row.assertions_passed) == (None, None, None)


def test_lift_is_against_every_other_arm() -> None:
    arms = ("skill", "baseline", "placebo", "previous-HEAD-1")
    view = build_view([outcome(case, arm=arm, failed=None if arm == "skill" else {"reply": "none"})
                       for case in "ab" for arm in arms], run())  # fmt: skip
    assert [(row.arm, row.against, row.lift) for row in view.lift] == [
        ("skill", "baseline", 1.0),
        ("skill", "placebo", 1.0),
        ("skill", "previous-HEAD-1", 1.0),
    ]
    assert {row.verdict for row in view.lift} == {None}


def test_a_case_counts_once_whatever_its_trials() -> None:
    trials = [*(outcome("a", trial=trial) for trial in (1, 2, 3)), outcome("b", failed={"reply": "none"})]
    row = build_view(trials, run()).summary[0]
    assert (row.passed, row.total, row.pass_rate) == (3, 4, 0.5)


def test_cases_are_flagged_with_a_baseline_and_without() -> None:
    skill = [outcome("a"), outcome("b", failed={"reply": "none"}), outcome("c", failed={"reply": "none"})]
    baseline = [outcome("a", arm="baseline"), outcome("b", arm="baseline", failed={"reply": "none"}),
                outcome("c", arm="baseline")]  # fmt: skip
    both = build_view([*skill, *baseline], run())
    assert both.skills[0].students[0].flags == {"saturated": ("a", "c"), "negative": ("c",), "never passes": ("b",)}
    assert both.lift[0].flags == both.skills[0].students[0].flags
    alone = [outcome("d", failed={"reply": "none"}, trial=trial) for trial in (1, 2)]
    assert build_view([*skill, *alone], run()).skills[0].students[0].flags == {"never passes": ("d",)}


def test_without_a_baseline_there_is_no_lift() -> None:
    assert build_view([outcome()], run()).lift == ()


def test_without_the_skill_arm_there_is_no_lift() -> None:
    view = build_view([outcome(arm="baseline"), outcome(arm="placebo")], run())
    assert (len(view.summary), view.lift) == (2, ())


def test_a_baseline_of_errors_leaves_lift_unsaid() -> None:
    view = build_view([outcome(), outcome(arm="baseline", kind=VerdictKind.INFRASTRUCTURE_ERROR)], run())
    row = view.lift[0]
    assert (row.pairs, row.lift, row.interval, row.p) == (0, None, None, None)


def test_order_of_arrival_does_not_matter() -> None:
    outcomes = [outcome(case, student, arm, trial=trial) for case in "ab" for student in ("x", "y")
                for arm in ("baseline", "skill") for trial in (1, 2)]  # fmt: skip
    shuffled = random.Random(3).sample(outcomes, len(outcomes))
    assert build_view(outcomes, run()) == build_view(shuffled, run())


def test_a_rerun_counts_once_with_its_last_outcome() -> None:
    view = build_view([outcome(failed={"reply": "none"}), outcome()], run())
    assert (view.summary[0].passed, view.summary[0].total) == (1, 1)


def test_specs_are_items_of_no_student() -> None:
    view = build_view([golden("b"), golden("a"), spec()], run(self_check=True))
    assert [item.case for item in view.items] == [None, "a", "b"]
    assert [(row.student, row.total) for row in view.summary] == [("golden", 2)]


@pytest.mark.parametrize(
    ("costs", "expected"),
    [((0.5, 0.25), 0.75), ((None, None), None), ((0.5, None), None), ((0.0, 0.0), 0.0)],
)
def test_cost_is_said_only_where_every_reply_has_a_price(
    costs: tuple[float | None, ...], expected: float | None
) -> None:
    view = build_view([outcome(str(case), cost_usd=cost) for case, cost in enumerate(costs)], run())
    assert view.summary[0].cost_usd == expected


def test_an_error_that_used_no_tokens_needs_no_price() -> None:
    failed = outcome("b", kind=VerdictKind.INFRASTRUCTURE_ERROR, tokens=Tokens())
    assert build_view([outcome("a", cost_usd=0.5), failed], run()).summary[0].cost_usd == 0.5


def test_an_empty_run_has_an_empty_view() -> None:
    view = build_view([], run())
    assert (view.items, view.summary, view.lift, view.skills) == ((), (), (), ())
