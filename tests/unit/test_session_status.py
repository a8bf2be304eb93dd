"""Letters and exit status of finished items."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Literal

import pytest

from pytest_upskill.records import ItemKind, Outcome, Verdict, VerdictKind
from pytest_upskill.session.item_report import attach, nothing_decided, outcome_of, status_of


def outcome(kind: VerdictKind, arm: str | None = "skill", item: ItemKind = ItemKind.KERNEL) -> Outcome:
    return Outcome(id="a::b", kind=item, skill="a", case="b", verdict=Verdict(kind), student="x", arm=arm, trial=1)


def report(
    of: Outcome | None, result: Literal["passed", "failed", "skipped"] = "passed", sent: bool = True
) -> pytest.TestReport:
    made = pytest.TestReport("a::b", ("a", 0, "b"), {}, result, None, "call")
    if of is not None:
        attach(made, of, sent=sent)
    return made


@pytest.mark.parametrize(
    ("of", "result", "letter"),
    [
        (outcome(VerdictKind.PASSED), "passed", None),
        (outcome(VerdictKind.FAILED), "failed", None),
        (outcome(VerdictKind.PASSED, "baseline"), "passed", "+"),
        (outcome(VerdictKind.FAILED, "previous-v1"), "passed", "-"),
        (outcome(VerdictKind.INCONCLUSIVE), "skipped", "?"),
        (outcome(VerdictKind.BUDGET_STOPPED, "baseline"), "skipped", "$"),
        (outcome(VerdictKind.NOT_ANSWERED), "skipped", "n"),
        (outcome(VerdictKind.INFRASTRUCTURE_ERROR, "baseline"), "failed", None),
        (outcome(VerdictKind.INFRASTRUCTURE_ERROR, "baseline"), "rerun", None),
        (None, "passed", None),
    ],
)
def test_letters(of: Outcome | None, result: Any, letter: str | None) -> None:
    status = status_of(report(of, result))
    assert (status[1] if status else None) == letter


def test_an_outcome_comes_back_from_its_report_as_it_was() -> None:
    one = outcome(VerdictKind.INCONCLUSIVE)
    assert outcome_of(report(one)) == one
    assert outcome_of(report(one, sent=False)) is one


def test_a_report_holds_plain_text_where_it_is_sent_and_the_same_text_where_it_stays() -> None:
    one = outcome(VerdictKind.FAILED)
    sent, stays = report(one).__dict__["upskill"], report(one, sent=False).__dict__["upskill"]
    assert type(sent) is str  # xdist transfers no subclass
    assert stays == sent and json.loads(json.dumps(stays)) == sent


def test_a_process_that_runs_its_own_items_does_not_import_pydantic() -> None:
    code = (
        "import sys, pytest; from tests.unit.test_session_status import *;"
        "assert outcome_of(report(outcome(VerdictKind.PASSED), sent=False)) is not None;"
        "print('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], False),
        ([outcome(VerdictKind.INCONCLUSIVE)], True),
        ([outcome(VerdictKind.INCONCLUSIVE), outcome(VerdictKind.PASSED, "baseline")], True),
        ([outcome(VerdictKind.BUDGET_STOPPED), outcome(VerdictKind.FAILED)], False),
        ([outcome(VerdictKind.INCONCLUSIVE, None, ItemKind.MUTANTS)], True),
        ([outcome(VerdictKind.PASSED, None, ItemKind.MUTANTS)], False),
        ([outcome(VerdictKind.NOT_ANSWERED)], True),
        ([outcome(VerdictKind.INCONCLUSIVE, "baseline")], True),
        ([outcome(VerdictKind.FAILED, "baseline")], False),
        ([outcome(VerdictKind.PASSED, None, ItemKind.SPEC)], False),
    ],
)
def test_a_run_decides_nothing_if_no_item_of_the_skill_arm_is_decided(outcomes: list[Outcome], expected: bool) -> None:
    assert nothing_decided(outcomes) is expected
