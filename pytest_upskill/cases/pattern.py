"""Matches the regular expressions of text cases with a limit on time, because a pattern can take exponential time."""

from __future__ import annotations

from pytest_upskill.errors import InfrastructureError

SECONDS = 2.0
"""The limit on this process's processor time (s) for one pattern and one answer."""


def pattern_problem(pattern: str) -> str | None:
    """The reason why ``pattern`` is not a regular expression, or None if it is."""
    import regex

    try:
        regex.compile(pattern)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        return str(error)
    return None


def pattern_matches(pattern: str, text: str, seconds: float = SECONDS) -> bool:
    """Whether ``pattern`` matches somewhere in ``text``. Raises InfrastructureError after ``seconds``."""
    import regex

    try:
        return regex.search(pattern, text, timeout=seconds) is not None
    except TimeoutError:
        took = f"took more than {seconds:g} s on an answer of {len(text):,} characters"
        problem = f"matching the pattern {pattern!r} of 'matches' {took}"
        advice = "rewrite it without nested repetitions such as '(a+)+'"
        raise InfrastructureError(f"{problem}; {advice}") from None
