"""From assertions to a verdict."""

from __future__ import annotations

from pytest_upskill.judging.judge import verdict_of
from pytest_upskill.records import Assertion, VerdictKind

RIGHT, WRONG = Assertion("runs", True, ""), Assertion("correct[float32]", False, "it is off")


def test_all_assertions_that_pass_make_a_pass() -> None:
    assert verdict_of([RIGHT]).kind is VerdictKind.PASSED


def test_a_failed_assertion_is_the_reason_even_where_the_judge_could_not_finish() -> None:
    for inconclusive in (None, "out of time"):
        verdict = verdict_of([RIGHT, WRONG], inconclusive=inconclusive)
        assert (verdict.kind, verdict.reason) == (VerdictKind.FAILED, "correct[float32]: it is off")


def test_without_a_failed_assertion_a_judge_that_could_not_finish_is_inconclusive() -> None:
    verdict = verdict_of([RIGHT], inconclusive="out of time")
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, "out of time")
