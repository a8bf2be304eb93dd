"""Checks what the answer to a text case must contain."""

from __future__ import annotations

from pytest_upskill.cases.case import Expectation
from pytest_upskill.cases.pattern import SECONDS, pattern_matches
from pytest_upskill.documents.reasoning import answer_text
from pytest_upskill.records import Assertion

RUBRIC = "no model judges the rubric: name one with --upskill-judge=NAME"


def assertions(expect: Expectation, reply: str, seconds: float = SECONDS) -> tuple[Assertion, ...]:
    """One assertion for each expected text and for each pattern. Texts are compared without regard to upper case.

    Raises InfrastructureError if the search for a pattern takes longer than ``seconds``.
    """
    text = answer_text(reply)
    tried = [
        (f"contains[{wanted}]", wanted.lower() in text.lower(), f"the answer does not contain {wanted!r}")
        for wanted in expect.contains
    ]
    tried += [
        (f"matches[{pattern}]", pattern_matches(pattern, text, seconds), f"nothing matches {pattern!r}")
        for pattern in expect.matches
    ]
    return tuple(Assertion(name, passed, "" if passed else message) for name, passed, message in tried)
