"""Which letter and word pytest shows for an item of ours.

Without an answer from here they are pytest's own: ``.`` and ``F`` for the skill arm, ``E`` for infrastructure errors.
"""

from __future__ import annotations

import pytest

from pytest_upskill.records import VerdictKind
from pytest_upskill.session.report_outcome import outcome_of
from pytest_upskill.skills.arms import is_control

Status = tuple[str, str, tuple[str, dict[str, bool]]]
"""Category, letter, and the word with its markup, as ``pytest_report_teststatus`` returns them."""

_SKIPPED = {VerdictKind.INCONCLUSIVE: "?", VerdictKind.BUDGET_STOPPED: "$"}


def status_of(report: pytest.TestReport) -> Status | None:
    """``?`` inconclusive, ``$`` budget used up, ``+`` and ``-`` control arms; None leaves it to pytest."""
    outcome = outcome_of(report)
    if outcome is None or report.failed:
        return None
    verdict = outcome.verdict.kind
    if report.skipped and verdict in _SKIPPED:
        return "skipped", _SKIPPED[verdict], (verdict.upper(), {"yellow": True})
    if outcome.arm is not None and is_control(outcome.arm):
        passed = verdict is VerdictKind.PASSED
        word = f"{outcome.arm.upper()} {'PASSED' if passed else 'FAILED'}"
        return "passed", "+" if passed else "-", (word, {"green" if passed else "cyan": True})
    return None
