"""A badge: the JSON that https://shields.io/badges/endpoint-badge reads."""

import json

from pytest_upskill.records import VerdictKind
from pytest_upskill.reporting.text_style import TextStyle, points
from pytest_upskill.reporting.view import BASELINE_ARM, LiftRow, View

_GREY = "lightgrey"
_PLAIN = TextStyle(width=80, color=False, unicode=True)


def render(view: View) -> str:
    """The lift over the baseline; of a self-check, how many cases pass. Grey while nothing is decided."""
    label, message, color = _self_check(view) if view.run.self_check else _lift(view)
    badge = {"schemaVersion": 1, "label": label, "message": message, "color": color}
    return json.dumps(badge, indent=2) + "\n"


def _self_check(view: View) -> tuple[str, str, str]:
    kinds = [item.verdict.kind for item in view.items]
    passed, failed = kinds.count(VerdictKind.PASSED), kinds.count(VerdictKind.FAILED)
    undecided = len(kinds) - passed - failed
    color = "red" if failed else _GREY if undecided or not passed else "brightgreen"
    return "skill cases", f"{passed}/{len(kinds)} checks passed" if kinds else "not checked", color


def _lift(view: View) -> tuple[str, str, str]:
    rows = [row for row in view.lift if row.against == BASELINE_ARM]
    if not any(row.lift is not None for row in rows):
        return "skill lift", "no data", _GREY
    sides = [_side(row) for row in rows]
    if len(rows) == 1:
        return "skill lift", f"{points(rows[0].lift or 0, _PLAIN)} points{'' if sides[0] else ', undecided'}", _color(sides)
    counts = [(sides.count(side), word) for side, word in ((1, "better"), (-1, "worse"), (0, "undecided"))]
    return "skill lift", ", ".join(f"{number} {word}" for number, word in counts if number), _color(sides)


def _color(sides: list[int]) -> str:
    return "red" if -1 in sides else _GREY if 0 in sides else "brightgreen"


def _side(row: LiftRow) -> int:
    """1 if the lift is decided to be above zero, -1 below, 0 if it is not decided."""
    if row.interval is None or row.p is None or row.p > 0.05:
        return 0
    low, high = row.interval
    return 1 if low > 0 else -1 if high < 0 else 0
