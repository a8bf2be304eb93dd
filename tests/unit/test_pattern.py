from __future__ import annotations

import re
import time

import pytest

from pytest_upskill.cases.pattern import pattern_matches, pattern_problem
from pytest_upskill.errors import InfrastructureError


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("warp(s|-level)", "a warp-level sum", True),
        (r"^b$", "a\nb", False),
        (r"(?m)^b$", "a\nb", True),
        ("B", "b", False),
    ],
)
def test_a_pattern_is_searched_for_as_re_does(pattern: str, text: str, expected: bool) -> None:
    assert pattern_matches(pattern, text) is expected is bool(re.search(pattern, text))


@pytest.mark.parametrize("pattern", ["(a+)+$", r"(.+)\1\1$"])
def test_a_pattern_that_takes_exponential_time_ends_in_an_infrastructure_error(pattern: str) -> None:
    before = time.process_time()
    with pytest.raises(
        InfrastructureError, match=r"took more than 0\.2 s on an answer of 100,001 characters; rewrite it"
    ):
        pattern_matches(pattern, "ab" * 50_000 + "c" if "1" in pattern else "a" * 100_000 + "b", seconds=0.2)
    assert time.process_time() - before < 10


def test_hostile_text_of_a_megabyte_takes_no_more_than_the_limit() -> None:
    before = time.process_time()
    assert not pattern_matches(r"warp(s|-level)\s+sum", "warp-level " * 90_000)
    assert time.process_time() - before < 10


def test_what_is_not_a_regular_expression_is_a_problem() -> None:
    assert "missing )" in (pattern_problem("warp(s") or "")
    assert pattern_problem("warp(s)?") is None
