"""A badge: the JSON that https://shields.io/badges/endpoint-badge reads."""

import json

from pytest_upskill.records import VerdictKind
from pytest_upskill.reporting.text_style import TextStyle, points
from pytest_upskill.reporting.view import BASELINE_ARM, View

_GREY = "lightgrey"
_PLAIN = TextStyle(width=80, color=False, unicode=True)


def render(view: View) -> str:
    """Return a badge with the lift over the baseline, or with the number of passing cases if the run is a self-check.

    The badge is grey while nothing is decided.
    """
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
    sides = [row.verdict or "undecided" for row in rows]
    if len(rows) == 1:
        unsure = ", undecided" if sides == ["undecided"] else ""
        return "skill lift", f"{points(rows[0].lift or 0, _PLAIN)} points{unsure}", _color(sides)
    counts = [(sides.count(side), side) for side in ("better", "worse", "undecided")]
    return "skill lift", ", ".join(f"{number} {side}" for number, side in counts if number), _color(sides)


def _color(sides: list[str]) -> str:
    return "red" if "worse" in sides else _GREY if "undecided" in sides else "brightgreen"
