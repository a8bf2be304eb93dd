"""Renders the page: a template of Jinja2, with the page's own style and script, the plots and the packed data."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_upskill.records import ItemKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.comparison import contrasts, counts, groups, rate_texts
from pytest_upskill.reporting.gate_lines import gate_text
from pytest_upskill.reporting.html import plots
from pytest_upskill.reporting.html.data import PageData, visible
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.rubric import judge_texts
from pytest_upskill.reporting.statistics_lines import statistics_notes
from pytest_upskill.reporting.triggers import trigger_texts
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, StudentView, SummaryRow, View

if TYPE_CHECKING:
    from jinja2 import Template

_STYLE = texts.TextStyle(width=10_000, color=False, unicode=True)
_NOTES = 50
_CAUSES = 12
_THREADS = 4


def render(view: View, history: Sequence[View] = ()) -> str:
    """Return the whole page. ``history`` has earlier runs of the same suite, the oldest first.

    Items whose verdict differs from that in the last of these runs are marked, and a plot shows the rates of all runs.
    """
    earlier = {item.id: item.verdict.kind.value for item in history[-1].items} if history else {}
    with ThreadPoolExecutor(_THREADS) as pool:
        blocks = list(PageData(view, earlier).blocks(pool))
        drawn, missing = _plots(view, history)  # drawn while the blocks are compressed
    style, script = (_own(name) for name in ("page.css", "page.js"))
    return _template().render(
        view=view,
        style=style,
        script=script,
        policy=_policy(style, script),
        plots=drawn,
        missing=missing,
        blocks=[(name, block.result()) for name, block in blocks],
        notes=Counter(note for item in view.items for note in item.notes).most_common(_NOTES),
        verdicts=Counter(item.verdict.kind.value for item in view.items),
        causes=_causes(view),
        self_checks=[item for item in view.items if item.kind is ItemKind.MUTANTS and item.score is not None],
    )


def _causes(view: View) -> dict[str, list[Any]]:
    """Return the arms, and a row for each first failed assertion with its number of failures in each arm.

    The most frequent assertion comes first. The result is empty if nothing failed.
    """
    arms = list(dict.fromkeys(row.arm for row in view.summary))
    numbers: dict[str, Counter[str]] = {}
    for row in view.summary:
        for cause, number in row.first_failed.items():
            numbers.setdefault(cause, Counter())[row.arm] += number
    ordered = sorted(numbers.items(), key=lambda pair: (-pair[1].total(), pair[0]))
    rows = [(cause, [of_arms[arm] for arm in arms]) for cause, of_arms in ordered[:_CAUSES]]
    return {"arms": arms, "rows": rows} if rows else {}


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: the page may run its own script and style, by their hashes, and load
    nothing.
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    script_hash, style_hash = (f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; base-uri 'none'; form-action 'none'"


def _plots(view: View, history: Sequence[View]) -> tuple[list[plots.Plot], str]:
    """Return the plots, or no plots and the reason."""
    try:
        return plots.plots(view, history), ""
    except ImportError:
        return [], plots.MISSING


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "visible": visible, "percent": texts.percent, "percents": texts.percents, "count": texts.count,
        "duration": texts.duration, "money": texts.money, "arm": texts.arm_label, "plural": texts.plural,
    }  # fmt: skip
    environment.globals |= {
        "lift_of": _lift_of, "points": _points, "facts_of": _facts_of, "counts": counts,
        "gate_text": partial(gate_text, text_style=_STYLE), "groups": partial(groups, text_style=_STYLE),
        "rate_texts": partial(rate_texts, text_style=_STYLE), "contrasts": partial(contrasts, text_style=_STYLE),
        "judge_texts": judge_texts, "trigger_texts": trigger_texts,
    }  # fmt: skip
    return environment.from_string(_own("page.html.j2"))


def _lift_of(student: StudentView, row: SummaryRow) -> LiftRow | None:
    """Return the lift that a row shows; None for the baseline.

    The skill's row shows the lift over the baseline. The row of another arm shows the skill's lift over that arm.
    """
    return None if row.arm == BASELINE_ARM else student.lift(BASELINE_ARM if row.arm == SKILL_ARM else row.arm)


def _facts_of(view: View, student: StudentView) -> list[str]:
    """Return the statistics of a student in words, as in the terminal's summary."""
    return list(statistics_notes(student, sum(row.lift is not None for row in view.lift), _STYLE))


def _points(lift: LiftRow | None, arm: str) -> str:
    if lift is None or lift.lift is None:
        return ""
    over = "" if arm == SKILL_ARM else " over this"
    return f"{texts.points(lift.lift, _STYLE)} points{over}{texts.spread(lift.interval, _STYLE)}"
