"""The exit status that we add to pytest's own."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.skills.arms import is_control

NOTHING_DECIDED = 7
"""Exit status where skill items ran and none was decided."""


def nothing_decided(outcomes: Iterable[Outcome]) -> bool:
    """True if kernel or text items of the skill arm ran, and none of them passed or failed."""
    kinds, decided = (ItemKind.KERNEL, ItemKind.TEXT), (VerdictKind.PASSED, VerdictKind.FAILED)
    asked = [o for o in outcomes if o.kind in kinds and not (o.arm is not None and is_control(o.arm))]
    return bool(asked) and not any(outcome.verdict.kind in decided for outcome in asked)
