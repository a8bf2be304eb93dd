"""Judging a text case: the answer is text, and ``expect`` says what it must hold. Knows no model and no kernel."""

from __future__ import annotations

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.pattern import found
from pytest_upskill.records import Assertion, Reply, Verdict, VerdictKind


def judge(case: Case, reply: Reply) -> Verdict:
    """One assertion for each expected text (ignoring case) and pattern; a rubric needs a judge, and is inconclusive."""
    assert case.expect is not None
    text = reply.text
    assertions = [
        Assertion(f"contains[{wanted}]", wanted.lower() in text.lower(), f"the answer does not contain {wanted!r}")
        for wanted in case.expect.contains
    ]
    assertions += [
        Assertion(f"matches[{pattern}]", found(pattern, text), f"nothing matches {pattern!r}")
        for pattern in case.expect.matches
    ]
    named = tuple(Assertion(a.name, a.passed, "" if a.passed else a.message) for a in assertions)
    failed = next((assertion for assertion in named if not assertion.passed), None)
    if failed:
        return Verdict(VerdictKind.FAILED, f"{failed.name}: {failed.message}", named)
    if case.expect.rubric:
        return Verdict(VerdictKind.INCONCLUSIVE, "a rubric can only be judged by a teacher model", named)
    return Verdict(VerdictKind.PASSED, None, named)
