"""A verdict from assertions."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_upskill.records import Assertion, Counterexample, Verdict, VerdictKind


def verdict_of(
    assertions: Sequence[Assertion], counterexample: Counterexample | None = None, inconclusive: str | None = None
) -> Verdict:
    """Failed where an assertion failed, which explains it; else ``inconclusive`` where the judge cannot tell, and why;
    else passed.
    """
    failed = next((assertion for assertion in assertions if not assertion.passed), None)
    if failed is None and inconclusive:
        return Verdict(VerdictKind.INCONCLUSIVE, inconclusive, tuple(assertions))
    return Verdict(
        kind=VerdictKind.FAILED if failed else VerdictKind.PASSED,
        reason=f"{failed.name}: {failed.message}" if failed else None,
        assertions=tuple(assertions),
        counterexample=counterexample,
    )


def not_tried(names: Sequence[str], why: str) -> list[Assertion]:
    """Assertions that fail because something before them did."""
    return [Assertion(name, False, f"not tried: {why}") for name in names]
