"""The CSV report: one row for each item."""

import csv
import io
from operator import attrgetter

from pytest_upskill.records import Outcome
from pytest_upskill.reporting.view import View

_BEFORE = ("id", "kind", "skill", "case", "student", "arm", "trial")
_AFTER = (
    "tokens.input", "tokens.output", "tokens.cached", "cost_usd", "seconds.reply", "seconds.build", "seconds.run",
)  # fmt: skip
"""Attributes of an outcome whose columns have their names, with underscores."""
_OF_VERDICT = (
    "verdict", "reason", "assertions_passed", "assertions_total", "first_failed", "message", "counterexample",
)  # fmt: skip


def render(view: View) -> str:
    """The whole file, with a line of headings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_BEFORE, *_OF_VERDICT, *(name.replace(".", "_") for name in _AFTER), "notes"])
    for item in view.items:
        notes = _inert("; ".join(item.notes)) or None
        writer.writerow([*attrgetter(*_BEFORE)(item), *_of_verdict(item), *attrgetter(*_AFTER)(item), notes])
    return text.getvalue()


def _of_verdict(item: Outcome) -> tuple[object, ...]:
    verdict = item.verdict
    first, found, passed = verdict.first_failed, verdict.counterexample, sum(one.passed for one in verdict.assertions)
    failed = (first.name, _inert(first.message)) if first else (None, None)
    example = str(found.example) if found else None
    return verdict.kind, _inert(verdict.reason), passed, len(verdict.assertions), *failed, example


def _inert(text: str | None) -> str | None:
    # A spreadsheet would run a cell that begins so, and these texts may quote a model.
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text
