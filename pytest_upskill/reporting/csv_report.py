"""The CSV report: one row for each item."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from operator import attrgetter

from pytest_upskill.records import Outcome
from pytest_upskill.reporting.view import View

_BEFORE = ("id", "kind", "skill", "case", "student", "arm", "trial")
_AFTER = (
    "tokens.input", "tokens.output", "tokens.cached", "cost_usd", "seconds.reply", "seconds.build", "seconds.run",
)  # fmt: skip
"""Attributes of an outcome that become columns of the same name, with underscores in place of dots."""
_OF_VERDICT = (
    "verdict", "reason", "assertions_passed", "assertions_total", "first_failed", "message", "counterexample",
)  # fmt: skip
_STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(rf"(^|[;\t\n])(\s*)(?=[{re.escape(_STARTS)}])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def render(view: View) -> str:
    """Return the whole file, with a line of headings."""
    headings = [*_BEFORE, *_OF_VERDICT, *(name.replace(".", "_") for name in _AFTER), "notes", "replay"]
    rows = (
        [*attrgetter(*_BEFORE)(item), *_of_verdict(item), *attrgetter(*_AFTER)(item), "; ".join(item.notes),
         item.replay]
        for item in view.items
    )  # fmt: skip
    return table(headings, rows)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the text of a CSV file. Spreadsheets read no cell as a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def inert(text: str) -> str:
    """Return the text with ``'`` before anything that a spreadsheet would run as a formula.

    This is necessary because a model may have written the text. It also covers spreadsheets that split cells at ``;``
    or tabs. Line ends become ``\\n``, other control characters become spaces.
    """
    if text.isprintable() and ";" not in text and text.lstrip(" ")[:1] not in _STARTS:
        return text  # holds for nearly all texts, and takes a fifth of the time
    plain = _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _FORMULA.sub(r"\1\2'", plain)


def _of_verdict(item: Outcome) -> tuple[object, ...]:
    verdict = item.verdict
    first, found, passed = verdict.first_failed, verdict.counterexample, sum(one.passed for one in verdict.assertions)
    failed = (first.name, first.message) if first else (None, None)
    example = str(found.example) if found else None
    return verdict.kind.value, verdict.reason, passed, len(verdict.assertions), *failed, example
