"""An item's outcome in pytest's terms: on its report, as a status letter, in the exit status."""

import contextlib
import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter

from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting.failure import failure_lines
from pytest_upskill.reporting.text_style import can_show, printable
from pytest_upskill.skills.arms import is_control

Status = tuple[str, str, tuple[str, dict[str, bool]]]
"""Category, letter, and the word with its markup, as ``pytest_report_teststatus`` returns them."""
NOTHING_DECIDED = 7
"""Exit status if skill items ran and none was decided."""

_SKIPPED = {VerdictKind.INCONCLUSIVE: "?", VerdictKind.BUDGET_STOPPED: "$"}


def attach(report: pytest.TestReport, outcome: Outcome) -> None:
    """Adds the outcome to a report, as text: xdist transfers plain data only."""
    report.__dict__["upskill"] = json.dumps(outcome.to_plain())


def outcome_of(report: Any) -> Outcome | None:
    """The outcome on a report; None for a report that is not the last one of an item of ours."""
    text = getattr(report, "upskill", None)
    return Outcome.from_plain(json.loads(text)) if text else None


def load() -> None:
    """Makes what ``outcome_of`` needs: a tenth of a second, which no item's time limit is to count."""
    with contextlib.suppress(ValueError):
        Outcome.from_plain({})


def status_of(report: pytest.TestReport) -> Status | None:
    """``?`` inconclusive, ``$`` stopped by the budget, ``+`` and ``-`` control arms; None for pytest's own letters."""
    if report.outcome not in ("passed", "skipped") or (outcome := outcome_of(report)) is None:  # others: of plugins
        return None
    verdict = outcome.verdict.kind
    if report.skipped and verdict in _SKIPPED:
        return "skipped", _SKIPPED[verdict], (verdict.upper(), {"yellow": True})
    if outcome.arm is not None and is_control(outcome.arm):
        passed = verdict is VerdictKind.PASSED
        word = f"{outcome.arm.upper()} {'PASSED' if passed else 'FAILED'}"
        return "passed", "+" if passed else "-", (word, {"green" if passed else "cyan": True})
    return None


def nothing_decided(outcomes: Iterable[Outcome]) -> bool:
    """True if kernel or text items of the skill arm ran, and none of them passed or failed."""
    judged = [one for one in outcomes if one.kind in (ItemKind.KERNEL, ItemKind.TEXT) and not is_control(one.arm or "")]
    return bool(judged) and all(one.verdict.kind not in (VerdictKind.PASSED, VerdictKind.FAILED) for one in judged)


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
