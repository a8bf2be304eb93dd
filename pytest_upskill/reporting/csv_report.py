"""The CSV report: one row for each item."""

from __future__ import annotations

import csv
import io
from typing import Any

from pytest_upskill.records import Outcome
from pytest_upskill.reporting.view import View


def render(view: View) -> str:
    """The whole file, with a line of headings."""
    text = io.StringIO()
    rows = [_row(item) for item in view.items]
    writer = csv.DictWriter(text, list(_row_names()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row_names() -> tuple[str, ...]:
    return (
        "id", "kind", "skill", "case", "student", "arm", "trial", "verdict", "reason", "assertions_passed",
        "assertions_total", "first_failed", "message", "counterexample", "tokens_input", "tokens_output",
        "tokens_cached", "cost_usd", "seconds_reply", "seconds_build", "seconds_run", "notes",
    )  # fmt: skip


def _row(item: Outcome) -> dict[str, Any]:
    verdict = item.verdict
    first, found = verdict.first_failed, verdict.counterexample
    return {
        "id": item.id,
        "kind": item.kind.value,
        "skill": item.skill,
        "case": item.case,
        "student": item.student,
        "arm": item.arm,
        "trial": item.trial,
        "verdict": verdict.kind.value,
        "reason": _inert(verdict.reason),
        "assertions_passed": sum(one.passed for one in verdict.assertions),
        "assertions_total": len(verdict.assertions),
        "first_failed": first.name if first else None,
        "message": _inert(first.message) if first else None,
        "counterexample": str(found.example) if found else None,
        "tokens_input": item.tokens.input,
        "tokens_output": item.tokens.output,
        "tokens_cached": item.tokens.cached,
        "cost_usd": item.cost_usd,
        "seconds_reply": item.seconds.reply,
        "seconds_build": item.seconds.build,
        "seconds_run": item.seconds.run,
        "notes": _inert("; ".join(item.notes)) or None,
    }


def _inert(text: str | None) -> str | None:
    # A spreadsheet would run a cell that begins so, and these texts may quote a model.
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text
