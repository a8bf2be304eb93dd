"""Expresses an item's outcome in pytest's terms: on its report, as a status letter, and in the exit status."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter

from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.failure import failure_lines, one_line
from pytest_upskill.reporting.text_style import can_show, printable
from pytest_upskill.skills.arms import is_control

Status = tuple[str, str, tuple[str, dict[str, bool]]]
"""Category, letter, and the word with its markup, in the form that ``pytest_report_teststatus`` returns."""
NOTHING_DECIDED = 7
"""The exit status if skill items ran and none was decided."""

SKIPPED = {VerdictKind.INCONCLUSIVE: "?", VerdictKind.BUDGET_STOPPED: "$", VerdictKind.NOT_ANSWERED: "n",
           VerdictKind.NOT_NEEDED: "="}  # fmt: skip
"""The letters of the verdicts that pytest counts as skipped."""


class _Attached(str):
    """The text on a report. In the process that made the report, it also has the outcome itself."""

    outcome: Outcome


def attach(report: pytest.TestReport, outcome: Outcome, *, sent: bool) -> None:
    """Add the outcome to a report as text, because a report that is ``sent`` to another process may hold only plain
    data.
    """
    text = json.dumps(outcome.to_plain())
    if not sent:
        text = _Attached(text)
        text.outcome = outcome
    report.__dict__["upskill"] = text


def outcome_of(report: Any) -> Outcome | None:
    """Return the outcome on a report; None unless it is the last report of an item of ours."""
    text = getattr(report, "upskill", None)
    if isinstance(text, _Attached):
        return text.outcome
    return Outcome.from_plain(json.loads(text)) if text else None


def refusal(problem: str) -> pytest.CollectReport:
    """Return the report with which an xdist worker says that the run must not start."""
    return pytest.CollectReport("", "failed", problem, [], upskill_usage=problem)


def status_of(report: pytest.TestReport) -> Status | None:
    """Return the status of an item of ours; None where pytest's own letter is right.

    The letters are ``?`` inconclusive, ``$`` stopped by the budget, ``n`` not answered, ``=`` not needed, ``+`` and
    ``-`` control arms, and ``f`` a failure that only a gate judges.
    """
    if report.outcome not in ("passed", "skipped") or (outcome := outcome_of(report)) is None:  # of no item of ours
        return None
    verdict = outcome.verdict.kind
    if report.skipped and verdict in SKIPPED:
        return "skipped", SKIPPED[verdict], (verdict.upper(), {"yellow": True})
    if outcome.arm is not None and is_control(outcome.arm):
        passed = verdict is VerdictKind.PASSED
        word = f"{outcome.arm.upper()} {'PASSED' if passed else 'FAILED'}"
        return "passed", "+" if passed else "-", (word, {"green" if passed else "cyan": True})
    if report.passed and verdict is VerdictKind.FAILED:
        return "passed", "f", ("FAILED (DATA OF A GATE)", {"cyan": True})
    return None


def nothing_decided(outcomes: Iterable[Outcome]) -> bool:
    """Return whether items of the skill arm ran, and none of them passed or failed.

    If there are no items of the skill arm, the items of the other arms count. If no student was asked, the self-checks
    of cases count.
    """
    ran = [one for one in outcomes if one.kind not in (ItemKind.SPEC, ItemKind.BROKEN_CASE)]
    asked = [one for one in ran if one.kind is not ItemKind.MUTANTS]
    judged = [one for one in asked if not is_control(one.arm or "")] or asked or ran
    return bool(judged) and all(one.verdict.kind not in (VerdictKind.PASSED, VerdictKind.FAILED) for one in judged)


class Reason(TerminalRepr):
    """The one line that the short test summary shows for a passed item."""

    def __init__(self, reprcrash: SimpleNamespace) -> None:
        self.reprcrash = reprcrash

    def __str__(self) -> str:
        return ""

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write nothing, because the item passed."""


class FailureRepr(TerminalRepr):
    """An item that failed or could not be judged. ``reprcrash.message`` is the line of the short test summary.

    ``others`` are the run's outcomes by id, including items that finish later. If a case's own solution is at fault,
    the failure is explained for the item of the student ``golden``, and not repeated for the item of the mutants.
    """

    def __init__(self, outcome: Outcome, others: Mapping[str, Outcome] = MappingProxyType({})) -> None:
        self._outcome, self._others = outcome, others

    @property
    def reprcrash(self) -> SimpleNamespace:
        told = self._told()
        message = f"same cause as {told}" if told else one_line(self._outcome)
        return SimpleNamespace(message=message, path="", lineno=0)

    def __str__(self) -> str:
        return "\n".join(self.lines(width=100))

    def toterminal(self, tw: TerminalWriter) -> None:
        unicode = can_show(getattr(tw._file, "encoding", None))
        for line in self.lines(width=tw.fullwidth, color=tw.hasmarkup, unicode=unicode):
            tw.line(line)

    def lines(self, width: int, color: bool = False, unicode: bool = True) -> list[str]:
        """Return the report. An error's reason is not wrapped, because it may end in a command."""
        if self._outcome.verdict.kind is not VerdictKind.FAILED:
            return printable(self._outcome.verdict.reason or "no reason was given").splitlines()
        if told := self._told():
            return [f"{'✗' if unicode else 'x'} same cause as {told}"]
        return failure_lines(self._outcome, width, color, unicode)

    def _told(self) -> str:
        """Return the name of the item whose failure explains this one; empty if there is none."""
        mine = self._outcome
        other = self._others.get(f"{mine.id.removesuffix('[mutants]')}[golden]")
        if mine.kind is not ItemKind.MUTANTS or other is None or other.verdict.kind is not VerdictKind.FAILED:
            return ""
        first = mine.verdict.first_failed
        same = other.verdict.reason == mine.verdict.reason or (first is not None and first.name == "solution")
        return other.id.rpartition("::")[2] if same else ""
