"""An item's outcome on pytest's report of it. As text, since xdist carries plain data alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_upskill.records import Outcome


def attach(report: pytest.TestReport, outcome: Outcome) -> None:
    """Makes the outcome travel with the report."""
    report.__dict__["upskill"] = json.dumps(outcome.to_plain())


def outcome_of(report: Any) -> Outcome | None:
    """The outcome that came with a report; None where the report is not the one that ends an item of ours."""
    text = getattr(report, "upskill", None)
    return Outcome.from_plain(json.loads(text)) if text else None
