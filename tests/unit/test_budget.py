"""Worst cases and limits, in numbers and in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_upskill.records import Exchange, Prompt
from pytest_upskill.replies.budget import (
    TEMPLATE_TOKENS,
    TOLD_TOKENS,
    WorstCase,
    estimate,
    limits_in_words,
    longest_reply,
    spending,
    worst_case,
    worst_conversation,
)
from pytest_upskill.replies.ledger import Limits, Totals
from pytest_upskill.students.base import Price
from tests.unit.scripted_students import CONFIG


def test_the_worst_case_is_a_token_for_each_byte_and_the_longest_reply() -> None:
    worst = worst_case(CONFIG, Prompt("aé", "b" * 10))
    sent = 13 + TEMPLATE_TOKENS
    assert worst == WorstCase(sent + 100, (sent * 1.0 + 100 * 10.0) / 1e6)


def test_earlier_turns_and_files_that_may_be_read_count_too() -> None:
    plain = worst_case(CONFIG, Prompt("", "b")).tokens
    assert worst_case(CONFIG, Prompt("", "b", (Exchange("1234", "56"),))).tokens == plain + 6
    assert worst_case(CONFIG, Prompt("", "b", files={"a.md": "12345"})).tokens == 4 * (plain + 5)


def test_without_a_price_the_worst_case_is_in_tokens_alone() -> None:
    assert worst_case(replace(CONFIG, price=None), Prompt("", "b")).usd is None


@pytest.mark.parametrize(("written", "per_token"), [(1.25, 1.25), (0.5, 1.0)])
def test_the_worst_case_has_the_prompt_at_the_dearer_price_of_fresh_and_cached_input(
    written: float, per_token: float
) -> None:
    config = replace(CONFIG, price=Price(1.0, 10.0, 0.1, written))
    worst = worst_case(config, Prompt("", "b"))
    assert worst.usd == pytest.approx(((worst.tokens - 100) * per_token + 100 * 10.0) / 1e6)


def test_options_decide_how_long_a_reply_may_be_as_they_do_in_the_request() -> None:
    assert longest_reply(CONFIG) == 100
    assert longest_reply(replace(CONFIG, options={"max_completion_tokens": 7})) == 7


def test_later_tries_send_the_answers_so_far() -> None:
    first, second = worst_conversation(CONFIG, Prompt("", "b"), 2)
    assert first == worst_case(CONFIG, Prompt("", "b"))
    told = Prompt("", "b", (Exchange("a" * 100, "t" * TOLD_TOKENS),))
    assert second.tokens == worst_case(CONFIG, told).tokens
    assert second.usd == pytest.approx(worst_case(CONFIG, told).usd)


def test_an_estimate_tells_students_and_what_is_there_apart() -> None:
    other = replace(CONFIG, name="other", price=None)
    questions = [(CONFIG, [WorstCase(1000, 0.5)]), (CONFIG, [WorstCase(1500, 1.0)]), (CONFIG, [])]
    questions.append((other, [WorstCase(4, None), WorstCase(5, None)]))
    assert estimate(questions) == (
        "pupil: 2 to ask, at most $1.50 and 2,500 tokens; other: 2 to ask, at most 9 tokens (its price is not known); "
        "1 reply is there already"
    )
    assert estimate([]) == ""


def test_limits_are_told_with_those_whom_they_cannot_hold_back() -> None:
    assert limits_in_words(Limits(), ["pupil"]) == ""
    assert limits_in_words(Limits(2.5, 10_000), []) == "at most $2.50 and 10,000 tokens in this session"
    assert "; the price of pupil is not known, so USD do not limit it" in limits_in_words(Limits(usd=1.0), ["pupil"])


def test_spending_is_told_with_its_limits() -> None:
    assert spending(Totals(), Limits(usd=1.0)) == ""
    assert spending(Totals(asked=1, usd=0.5, tokens=20), Limits()) == "$0.5000, 20 tokens on 1 new reply"
    assert spending(
        Totals(asked=2, tokens=20, unpriced=20, stopped="the budget is used up: it is"), Limits(tokens=30)
    ) == ("20 of 30 tokens on 2 new replies; 20 of the tokens have no known price; the budget is used up: it is")
