"""A failed item in pytest's reports: coloured on a terminal, plain in JUnit XML, one line in the short summary."""

from __future__ import annotations

from types import SimpleNamespace

from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter

from pytest_upskill.records import Outcome
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.text_style import can_show, printable


class FailureRepr(TerminalRepr):
    """A failed outcome. ``reprcrash.message`` is what the short test summary shows."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        reason = printable(outcome.verdict.reason or "failed").partition("\n")[0]
        self.reprcrash = SimpleNamespace(message=reason, path="", lineno=0)

    def __str__(self) -> str:
        return "\n".join(failure_lines(self._outcome, width=100, color=False))

    def toterminal(self, tw: TerminalWriter) -> None:
        unicode = can_show(getattr(tw._file, "encoding", None))
        for line in failure_lines(self._outcome, width=tw.fullwidth, color=tw.hasmarkup, unicode=unicode):
            tw.line(line)
