"""The page's plots, as static SVG made by matplotlib (the extra ``[report]``). Without matplotlib there are no plots.

The elements of a plot have classes, through which they take their colours from the page's light or dark theme.
"""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ET  # parses only our own output, nothing from outside
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pytest_upskill.oracle.garbage import importing
from pytest_upskill.reporting.html.data import visible
from pytest_upskill.reporting.text_style import arm_label, count, plural
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, StudentView, SummaryRow, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "The plots need matplotlib: pip install 'pytest-upskill[report]'"
_INK, _SOFT, _LINE, _UP, _DOWN, _SKILL, _OTHER = (f"#01020{digit}" for digit in range(7))
"""Colours that stand for the page's colours, in this order, until classes replace them."""
_CLASSES = dict(zip((_INK, _SOFT, _LINE, _UP, _DOWN, _SKILL, _OTHER),
                    ("ink", "soft", "line", "up", "down", "skill", "other"), strict=True))  # fmt: skip
_SVG = "http://www.w3.org/2000/svg"
_KEPT = ("stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "fill-opacity",
         "stroke-opacity", "font-size", "font-weight", "text-anchor")  # fmt: skip
_ROWS = 24
"""The maximum number of rates in a plot. More would be too small to read."""
_NAMES = 3
"""The maximum number of cases that are named beside a line of a slope chart."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its title, what it shows in words, and its SVG."""

    title: str
    caption: str
    svg: str


def plots(view: View, history: Sequence[View]) -> list[Plot]:
    """Return all plots for which the run has data. Raises ImportError if matplotlib is not installed."""
    students = [student for skill in view.skills for student in skill.students] if not view.run.self_check else []
    rows = [row for student in students for row in student.arms if row.pass_rate is not None]
    made = []
    if rows:
        made.append(_rates(rows[:_ROWS]))
    made += [_slopes(view, student) for student in students if student.lift(BASELINE_ARM)][:6]
    if any(row.tokens.output for row in rows):
        made.append(_tokens(students))
    if history:
        made.append(_history([*history, view]))
    return made


def _rates(rows: Sequence[SummaryRow]) -> Plot:
    def draw(ax: Axes) -> None:
        for y, row in enumerate(rows):
            color = _SKILL if row.arm == SKILL_ARM else _OTHER
            rate = row.pass_rate or 0.0
            low, high = row.interval or (rate, rate)
            ax.plot([low, high], [y, y], color=color, linewidth=5, alpha=0.35, solid_capstyle="round")
            ax.plot([rate], [y], "o", color=color, markersize=7)
        several = len({row.skill for row in rows}) > 1
        names = [f"{f'{row.skill}: ' if several else ''}{row.student}, {arm_label(row.arm)}" for row in rows]
        ax.set_yticks(range(len(rows)), [_name(name, 44) for name in names], parse_math=False)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        _percent_axis(ax.xaxis, ax.set_xlim)

    caption = "Share of cases that pass, and its 95% interval"
    return Plot("Pass rates", caption, _svg("rates", 0.9 + 0.32 * len(rows), draw))


def _slopes(view: View, student: StudentView) -> Plot:
    """Draw a line for each change of a case's rate between the arms. A line that stands for more cases is wider."""
    skill = student.arms[0].skill
    trials = {row.arm: row.trials for row in student.arms}
    rates = {
        arm: {case: fmean(passed) for case, passed in trials.get(arm, {}).items()} for arm in (BASELINE_ARM, SKILL_ARM)
    }
    pairs = {
        case: (rates[BASELINE_ARM][case], rate)
        for case, rate in rates[SKILL_ARM].items()
        if case in rates[BASELINE_ARM]
    }
    moves = Counter(pairs.values())

    def draw(ax: Axes) -> None:
        most = max(moves.values(), default=1)
        ends: dict[float, list[str]] = {}
        for (before, after), number in sorted(moves.items()):
            color = _UP if after > before else _DOWN if after < before else _SOFT
            ax.plot([0, 1], [before, after], "-o", color=color, linewidth=1 + 4 * number / most, markersize=5,
                    solid_capstyle="round")  # fmt: skip
            names = [case for case, pair in pairs.items() if pair == (before, after)]
            shown = ", ".join(_name(name, 20) for name in names[:_NAMES]) + ", …" * (len(names) > _NAMES)
            sign = "up" if after > before else "down" if after < before else "unchanged"
            ends.setdefault(after, []).append(f"{number} {sign}: {shown}")
        for after, texts in ends.items():
            ax.text(1.05, after, "\n".join(texts), va="center", fontsize=9, color=_INK, parse_math=False)
        ax.set_xlim(-0.05, 2.2)
        ax.set_xticks([0, 1], [BASELINE_ARM, arm_label(SKILL_ARM)])
        _percent_axis(ax.yaxis, ax.set_ylim)

    several = f"{skill}: " if len(view.skills) > 1 else ""
    caption = f"Pass rate of {plural(len(pairs), 'case')} without and with the skill; a wider line is more cases"
    return Plot(
        _name(f"Lift by case: {several}{student.name}", 70), caption, _svg(f"slope {skill} {student.name}", 3.1, draw)
    )


def _tokens(students: Sequence[StudentView]) -> Plot:
    def points(student: StudentView) -> Iterator[tuple[float, float, SummaryRow]]:
        for row in student.arms:
            if row.pass_rate is not None and row.tokens.output:
                yield (row.tokens.input + row.tokens.output) / row.total, row.pass_rate, row

    def draw(ax: Axes) -> None:
        for student in students[:_ROWS]:
            places = {row.arm: (x, y) for x, y, row in points(student)}
            for arm, (x, y) in places.items():
                ax.plot([x], [y], "o", color=_SKILL if arm == SKILL_ARM else _OTHER, markersize=8)
                label = f"{student.name}, {arm_label(arm)}"
                ax.annotate(_name(label, 30), (x, y), (7, 5), textcoords="offset points", fontsize=8, color=_INK,
                            parse_math=False)  # fmt: skip
            if {SKILL_ARM, BASELINE_ARM} <= places.keys():
                ax.annotate(
                    "", places[SKILL_ARM], places[BASELINE_ARM], arrowprops={"arrowstyle": "->", "color": _SOFT}
                )
        ax.margins(x=0.3)
        ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(lambda value, _: count(round(value)))
        ax.set_xlabel("tokens per reply that was judged", color=_SOFT)
        _percent_axis(ax.yaxis, ax.set_ylim)

    return Plot("Tokens and pass rate", "Prompt and reply together; arrows lead from the baseline to the skill",
                _svg("tokens", 3.1, draw))  # fmt: skip


def _history(runs: Sequence[View]) -> Plot:
    def draw(ax: Axes) -> None:
        lines: dict[str, list[tuple[int, float]]] = {}
        for number, run in enumerate(runs):
            for row in run.summary:
                if row.arm == SKILL_ARM and row.pass_rate is not None:
                    lines.setdefault(f"{row.skill}: {row.student}", []).append((number, row.pass_rate))
        for name, points in list(lines.items())[:8]:
            ax.plot(*zip(*points, strict=True), "-o", color=_SKILL, markersize=5)
            ax.annotate(_name(name, 34), points[-1], (8, 0), textcoords="offset points", va="center", fontsize=8,
                        color=_INK, parse_math=False)  # fmt: skip
        step = -(-len(runs) // 6)
        ax.set_xticks(range(0, len(runs), step), [run.run.started[:10] for run in runs[::step]])
        ax.set_xlim(-0.2, (len(runs) - 1) * 1.5 + 0.2)
        _percent_axis(ax.yaxis, ax.set_ylim)

    return Plot("History", "Pass rate with the skill in earlier runs and this one", _svg("history", 3.1, draw))


def _percent_axis(axis: Any, limits: Callable[[float, float], object]) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
    axis.grid(True, color=_LINE, linewidth=0.8)
    low, high = sorted((-0.06, 1.06))
    limits(low, high)


def _name(text: str, longest: int) -> str:
    text = " ".join(visible(text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _svg(salt: str, height: float, draw: Callable[[Axes], None]) -> str:
    """Return the drawing, 6.4 inches wide, as an SVG element without styles, because the page forbids styles in
    elements.
    """
    with importing():
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

    text = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.size": 10, "text.color": _INK,
                                "xtick.color": _LINE, "ytick.color": _LINE, "xtick.labelcolor": _SOFT,
                                "ytick.labelcolor": _INK}  # fmt: skip
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the browser draws letters that the font for measuring lacks
        figure = Figure(figsize=(6.4, height), layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        ax = figure.subplots()
        ax.set_axisbelow(True)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        figure.patch.set_visible(False)
        ax.patch.set_visible(False)
        draw(ax)
        canvas.print_svg(text, metadata={"Date": None})
    return _themed(text.getvalue())


def _themed(text: str) -> str:
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        if element.tag.endswith("}g"):
            element.attrib.pop("id", None)
        declarations = dict(part.split(":", 1) for part in element.attrib.pop("style", "").split(";") if ":" in part)
        styles = {name.strip(): value.strip() for name, value in declarations.items()}
        element.attrib.update({name: value for name, value in styles.items() if name in _KEPT})
        classes = [f"{name}-{_CLASSES[styles[name]]}" for name in ("fill", "stroke") if styles.get(name) in _CLASSES]
        if styles.get("fill") == "none":
            element.set("fill", "none")
        if classes:
            element.set("class", " ".join(classes))
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    return ET.tostring(root, encoding="unicode")
