"""``--upskill-budget``: the worst case is told first, one budget serves all workers, and the next run goes on."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.conftest import BOTH, BOTH_ALWAYS, Workbench
from tests.integration.text_skill import text_skill
from tests.llama.scripted import endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill")
PRICE = "price = {in = 0, out = 10000}"
"""USD: 0.07 for the seven tokens of each reply."""


@BOTH_ALWAYS
def test_the_rest_is_stopped_when_the_budget_is_exhausted_and_the_next_run_goes_on(
    bench: Workbench, workers: list[str]
) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 6, "max_tokens = 10", PRICE)
        budget = ("--upskill-budget=0.25", "--upskill-report=out.json")
        first = bench.run(*ASK, *budget, *workers)
        first.assert_outcomes(passed=3, skipped=3)
        assert first.ret == 0
        assert len(server.questions) == 3
        first.stdout.fnmatch_lines(["*3 stopped by the budget*", "spent*$0.2100 of $0.2500*on 3 new replies*"])
        items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
        assert sorted(item["verdict"] for item in items) == ["budget-stopped"] * 3 + ["passed"] * 3
        bench.run(*ASK, *budget).assert_outcomes(passed=6)
        assert len(server.questions) == 6


@BOTH
def test_the_worst_case_is_told_before_the_first_question(bench: Workbench, workers: list[str]) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 3, "max_tokens = 10", PRICE)
        bench.run("skills", *ASK[1:2], "-k", "word-000", "--upskill-arms=skill")
        shown = bench.run(*ASK, *workers).stdout.str()
    assert shown.count("upskill worst case:") == 1
    assert "upskill worst case: pupil: 2 to ask, at most $0.2000 and" in shown
    assert "1 reply is there already" in shown
    assert shown.index("worst case") < shown.index("= skills =")


def test_a_stopped_item_has_a_letter_and_a_reason_of_its_own(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2, "max_tokens = 10", PRICE)
        result = bench.run(*ASK, "--upskill-budget=0.05", "-rs")
        assert not server.questions
    assert result.ret == 7
    shown = " ".join(result.stdout.str().split())
    assert re.search(r"SKILL\.md \$\$", shown)
    assert (
        "budget-stopped: the budget is too small: $0.00 of --upskill-budget=0.05 are spent, and the next reply may "
        "cost $0.1000; raise it"
    ) in shown


def test_a_reply_that_is_there_costs_nothing(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2, "max_tokens = 10", PRICE)
        bench.run(*ASK)
        bench.run(*ASK, "--upskill-budget=0").assert_outcomes(passed=2)
        assert len(server.questions) == 2


def test_a_student_without_a_price_is_not_held_back_and_the_header_says_so(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2)
        result = bench.run(*ASK, "--upskill-budget=0.01")
    result.assert_outcomes(passed=2)
    shown = " ".join(result.stdout.str().split())
    assert "at most $0.0100 in this session; the price of pupil is not known, so USD do not limit it" in shown
    assert "36 tokens on 2 new replies; 36 of the tokens have no known price" in shown


@pytest.mark.parametrize("text", ["-1", "$5", "nan", "1e3", "much"])
def test_an_amount_that_is_none_is_refused(bench: Workbench, text: str) -> None:
    result = bench.run("skills", "--upskill", f"--upskill-budget={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is not an amount of USD such as 2.50" in result.stderr.str()
