"""Parsers of option texts: what they accept, and that a refusal names the accepted forms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_upskill.configuration import values


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.names, "a, b\nc,", ("a", "b", "c")),
        (values.arms, "skill,previous:HEAD~1,skill", ("skill", "previous:HEAD~1")),
        (values.arms, "skill,skill", ("skill", "repeat")),
        (values.arms, "skill, skill,baseline,baseline", ("skill", "repeat", "baseline")),
        (values.positive_int, "3", 3),
        (values.seed, "0", 0),
        (values.seconds, "0.5", 0.5),
        (values.arch, "sm_90a", "sm_90a"),
        (values.usd, ".5", 0.5),
        (values.reports, "a.json,b/c.md", ("a.json", "b/c.md")),
    ],
)
def test_accepted_texts_become_values(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (values.names, " , ", "expected a name, or several separated by commas"),
        (values.arms, "skill,repeat", "unknown arm 'repeat'; accepted: skill, baseline, placebo, previous:REVISION"),
        (values.arms, "previous:", "unknown arm 'previous:'; accepted: skill, baseline, placebo, previous:REVISION"),
        (values.positive_int, "\u0663", "'\u0663' is not a whole number of at least 1"),
        (values.seed, str(2**63), f"'{2**63}' is not a whole number from 0 to 2**63-1"),
        (values.seconds, "inf", "'inf' is not a number of seconds above 0"),
        (values.arch, "90", "'90' is not an architecture of GPUs such as sm_90"),
        (values.sandbox, "off", "unknown sandbox level 'off'; accepted: auto, strict"),
        (values.replies, "old", "unknown source of replies 'old'; accepted: auto, live, record, replay, kept"),
        (values.usd, "-1", "'-1' is not an amount of USD such as 2.50"),
        (values.text, " ", "the value is empty"),
    ],
)
def test_a_refusal_names_the_accepted_forms(parse: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value) == message


def test_two_arms_whose_replies_would_share_a_file_are_refused() -> None:
    with pytest.raises(ValueError, match="would both be called"):
        values.arms("previous:a/b,previous:a-b")
