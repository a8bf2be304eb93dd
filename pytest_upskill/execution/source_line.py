"""Which line of a judged source a report shows beside a failure."""

from __future__ import annotations

import re
from dataclasses import replace

from pytest_upskill.languages.base import Language
from pytest_upskill.records import Outcome, Verdict

_WITHOUT_A_GUESS = ("contract", "compiles")
"""Assertions whose line is shown only where it is known: where an output is written says nothing about them."""


def with_source(outcome: Outcome, language: Language, source: str | None) -> Outcome:
    """The outcome with the source that was judged, and the line that its report shows."""
    line, why = (None, "") if source is None else _line_to_show(language, source, outcome.verdict) or (None, "")
    return replace(outcome, source=source, source_name=language.source_name, shown_line=line, shown_why=why)


def _line_to_show(language: Language, source: str, verdict: Verdict) -> tuple[int, str] | None:
    """The line that is to blame, if it is known; otherwise the language's guess, with what it is."""
    failed = verdict.first_failed
    if failed is None or failed.name == "reply":
        return None
    found = verdict.counterexample
    known = (found.line if found else None) or _line_in(failed.message, language.source_name)
    if known is not None and 1 <= known <= len(source.splitlines()):
        return known, ""
    if known is None and failed.name in _WITHOUT_A_GUESS:
        return None
    return language.line_to_show(source, found.worst.output if found and found.worst else None)


def _line_in(message: str, source_name: str) -> int | None:
    """The first line of the source that a message names, as in ``kernel.cu:12``."""
    found = re.search(rf"{re.escape(source_name)}:(\d+)", message)
    return int(found[1]) if found else None
