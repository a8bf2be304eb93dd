"""The table of a run with students: pass rates with the skill and without it, and the lift."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_upskill.records import ItemKind, Tokens, VerdictKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.statistics_lines import statistics_notes
from pytest_upskill.reporting.text_style import Cell, Column, Table, TextStyle, measure
from pytest_upskill.reporting.triggers import queries_of, trigger_texts
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, SkillView, StudentView, SummaryRow, View

VALID = "SKILL.md is valid"
_CHART = 20
_MIN_NAME = 12
_ABOVE = "above"
"""The key of a name that is printed in a line of its own."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a row. A value that has no column is shown below the row, a name of more than ``name`` columns
    above it.
    """

    name: int = 40
    chart: bool = False
    both: bool = False
    """Whether the average assertions of the baseline are shown, too."""
    spent: bool = True
    assertions: bool = True


_LAYOUTS = (
    _Layout(chart=True, both=True),
    _Layout(chart=True),
    _Layout(both=True),
    _Layout(),
    _Layout(name=_MIN_NAME + 4),
    _Layout(name=_MIN_NAME),
    _Layout(name=_MIN_NAME + 4, spent=False),
    _Layout(name=_MIN_NAME, spent=False),
    _Layout(name=_MIN_NAME, spent=False, assertions=False),
    _Layout(name=8, spent=False, assertions=False),
)
"""Layouts from wide to narrow. The first layout that fits is used for the whole run."""


def comparison_lines(
    view: View, text_style: TextStyle, problems: Callable[[SkillView, TextStyle], Iterator[str]], verbosity: int = 0
) -> Iterator[str]:
    """Yield one table for all skills, so that its columns line up. ``problems`` yields lines below a skill's name.

    If ``verbosity`` is above 0, failures of control arms are listed, although they fail no item. If it is below 0,
    there is no legend.
    """
    students = [student for skill in view.skills for student in skill.students]
    layout, table = _fitting(students, text_style)
    if students:
        yield table.heading(text_style)
    for number, skill in enumerate(view.skills):
        if number:
            yield ""
        yield from title(skill.name, _facts(skill), text_style)
        yield from problems(skill, text_style)
        for student in skill.students:
            yield from _student_lines(student, table, layout, text_style, len(view.lift))
            if verbosity > 0:
                yield from _control_failures(skill, student, text_style)
        for name, text in trigger_texts(skill.triggers, view.run.noise):
            yield from text_style.lines(f"{name}  {text}", 2, hang=4)
    if verbosity >= 0:
        yield ""
        yield from text_style.lines(_legend(view), 0, "dim")


def _fitting(students: Sequence[StudentView], text_style: TextStyle) -> tuple[_Layout, Table]:
    for layout in _LAYOUTS:
        rows = [row for student in students for row in _rows(student, layout, text_style)]
        table = Table(_columns(students), rows)
        if table.width <= text_style.width:
            break
    return layout, table


def _columns(students: Sequence[StudentView]) -> list[Column]:
    compared = any(student.lifts for student in students)
    has_baseline = any(student.arm(BASELINE_ARM) for student in students)
    # A rate's own interval is shown only if there is no lift, because both would not fit on 80 columns.
    spread = Column("lift", "lift, points") if compared else Column("interval", "95% interval")
    return [
        Column("name", ""),
        Column("control", "baseline" if has_baseline else "control", ">"),
        Column("skill", "with skill", ">"),
        spread,
        Column("chart", "0%" + " " * (_CHART - 6) + "100%"),
        Column("assertions", "assertions", ">"),
        Column("tokens", "tokens", ">"),
        Column("cost", "cost", ">"),
        Column("time", "time", ">"),
    ]


def title(name: str, facts: Cell, text_style: TextStyle) -> Iterator[str]:
    """Yield a skill's name and facts about it, in one line if the terminal is wide enough."""
    *rows, last = text_style.wrap(name, text_style.width)
    yield from (text_style.paint(row, "bold") for row in rows)
    beside = measure(last) + len(texts.GAP) + measure(facts.text) <= text_style.width
    yield text_style.paint(last, "bold") + (texts.GAP + facts.painted(text_style, 0) if beside else "")
    if not beside:
        yield from texts.flow([facts], text_style, len(texts.GAP))


def _facts(skill: SkillView) -> Cell:
    cases = [texts.plural(len(skill.cases), "case")] if skill.cases or not skill.triggers else []
    queries = [queries_of(max(row.queries for row in skill.triggers))] if skill.triggers else []
    return Cell((", ".join([*cases, *queries, *([VALID] if has_valid_spec(skill) else [])]), "dim"))


def has_valid_spec(skill: SkillView) -> bool:
    """Return whether the skill itself was checked and is valid."""
    specs = skill.of_kind(ItemKind.SPEC)
    return bool(specs) and all(item.verdict.kind is VerdictKind.PASSED for item in specs)


def _student_lines(
    student: StudentView, table: Table, layout: _Layout, text_style: TextStyle, comparisons: int
) -> Iterator[str]:
    for cells in _rows(student, layout, text_style):
        for name, *styles in cells[_ABOVE].pieces if _ABOVE in cells else ():
            yield from text_style.lines(name, 1, *styles, hang=2)
        yield table.line(cells, text_style)
    notes = [(", ".join(_below(student, layout, text_style)), "dim"), (_turns(student), "dim")]
    notes += [(note, "dim") for note in statistics_notes(student, comparisons, text_style)]
    undecided = [f"{texts.arm_label(row.arm)}: {row.undecided} (not counted)" for row in student.arms if row.undecided]
    notes += [(_first_failed(student, text_style), "dim"), *((text, "yellow") for text in undecided)]
    for text, style in notes:
        yield from text_style.lines(text, 4, style, hang=2)


def _control_failures(skill: SkillView, student: StudentView, text_style: TextStyle) -> Iterator[str]:
    for item in skill.judged:
        if item.student == student.name and item.arm != SKILL_ARM and item.verdict.kind is VerdictKind.FAILED:
            trial = f" (trial {item.trial})" if (item.trial or 1) > 1 else ""
            yield from text_style.lines(f"{item.arm}, {item.case}{trial}: {one_line(item)}", 4, "dim", hang=2)


def _below(student: StudentView, layout: _Layout, text_style: TextStyle) -> Iterator[str]:
    """Yield the values of a row that have no column, as lines below the row."""
    if not layout.assertions:
        assertions = _assertions(student.arm(SKILL_ARM), student.arm(BASELINE_ARM), text_style)
        yield from [f"{assertions} assertions"] if assertions else []
    if not layout.spent:
        for name, text in _spent(student).items():
            if text:
                yield f"{text} tokens" if name == "tokens" else text


def _turns(student: StudentView) -> str:
    """Return pass@turn of each arm; empty if there was only one turn."""
    if not any(len(row.passed_by_turn) > 1 for row in student.arms):
        return ""
    rates = [(row, ", ".join(map(texts.percent, row.pass_at_turn))) for row in student.arms if row.pass_at_turn]
    return "passed by turn: " + "; ".join(f"{texts.arm_label(row.arm)} {text}" for row, text in rates)


def _first_failed(student: StudentView, text_style: TextStyle) -> str:
    if (row := student.arm(SKILL_ARM)) is None or not row.first_failed:
        return ""
    counts = sorted(row.first_failed.items(), key=lambda pair: -pair[1])
    return "first fails at " + ", ".join(f"{name} {text_style.sign('times')}{number}" for name, number in counts)


def _rows(student: StudentView, layout: _Layout, text_style: TextStyle) -> Iterator[Mapping[str, Cell]]:
    skill, baseline = student.arm(SKILL_ARM), student.arm(BASELINE_ARM)
    row = {
        **_name(student.name, " ", "", layout, text_style),
        "control": _rate(baseline),
        "skill": _rate(skill, bold=True),
    }
    if layout.assertions:
        before = baseline if layout.both and skill else None
        row["assertions"] = Cell((_assertions(skill or baseline, before, text_style),))
    if baseline is not None:
        row |= _lift_cells(student.lift(BASELINE_ARM), skill, baseline, layout, text_style)
    if skill is not None:
        row["interval"] = Cell((texts.percents(skill.interval),))
        if layout.chart and baseline is None:
            row["chart"] = _chart(skill, None, "", text_style)
    if layout.spent:
        row |= {name: Cell((text,)) for name, text in _spent(student).items()}
    yield row
    for control in student.controls:
        cells = {**_name(control.arm, "   ", "dim", layout, text_style), "control": _rate(control)}
        cells |= _lift_cells(student.lift(control.arm), skill, control, layout, text_style)
        if layout.assertions:
            cells["assertions"] = Cell((_assertions(control, None, text_style), "dim"))
        yield cells


def _name(name: str, indent: str, style: str, layout: _Layout, text_style: TextStyle) -> dict[str, Cell]:
    shown = text_style.clean(indent + name)
    return {"name" if measure(shown) <= layout.name + 1 else _ABOVE: Cell((shown, style))}


def _rate(row: SummaryRow | None, bold: bool = False) -> Cell:
    if row is None:
        return Cell()
    if row.pass_rate is None:
        return Cell(("none", "dim"))
    return Cell((f"{row.passed}/{row.total} {texts.percent(row.pass_rate):>4}", "bold" if bold else ""))


def _lift_cells(
    lift: LiftRow | None, skill: SummaryRow | None, control: SummaryRow, layout: _Layout, text_style: TextStyle
) -> dict[str, Cell]:
    if lift is None:
        return {}
    if lift.lift is None:
        return {"lift": Cell(("no pairs", "dim"))}
    style = {"better": "green", "worse": "red"}.get(lift.verdict or "", "")
    sign = "up" if lift.lift > 0 else "down" if lift.lift < 0 else "level"
    text = f"{text_style.sign(sign)} {texts.points(lift.lift, text_style):>3}"
    cells = {"lift": Cell((text, style, "bold"), (texts.spread(lift.interval, text_style), style))}
    if layout.chart and skill:
        cells["chart"] = _chart(skill, control, style, text_style)
    return cells


def _chart(skill: SummaryRow, control: SummaryRow | None, style: str, text_style: TextStyle) -> Cell:
    """Draw the rate with the skill (full), its 95% interval, and the control's rate (hollow) on a scale from 0
    to 100%.
    """
    if skill.pass_rate is None or skill.interval is None:
        return Cell()
    rate, low, high = (round(one * (_CHART - 1)) for one in (skill.pass_rate, *skill.interval))
    signs = ["span" if low <= at <= high else "track" for at in range(_CHART)]
    if control is not None and control.pass_rate is not None:
        signs[round(control.pass_rate * (_CHART - 1))] = "from"
    signs[rate] = "to"
    runs = ((sign, len(list(run))) for sign, run in groupby(signs))
    return Cell(*((text_style.sign(sign) * number, "dim" if sign == "track" else style) for sign, number in runs))


def _assertions(row: SummaryRow | None, before: SummaryRow | None, text_style: TextStyle) -> str:
    if row is None or row.assertions_passed is None or row.assertions_total is None:
        return ""
    text = f"{row.assertions_passed:.1f}/{f'{row.assertions_total:.1f}'.removesuffix('.0')}"
    if before is not None and before.assertions_passed is not None:
        return f"{before.assertions_passed:.1f} {text_style.sign('arrow')} {text}"
    return text


def _spent(student: StudentView) -> dict[str, str]:
    """Return what all arms together used, by column. A text is empty if its value is not known."""
    tokens = sum((row.tokens for row in student.arms), Tokens())
    costs = [row.cost_usd for row in student.arms]
    known = [cost for cost in costs if cost is not None]
    return {
        "tokens": f"{texts.count(tokens.input)}+{texts.count(tokens.output)}" if tokens.input or tokens.output else "",
        "cost": texts.money(sum(known)) if known and len(known) == len(costs) else "",
        "time": texts.duration(sum(row.seconds for row in student.arms)),
    }


def _legend(view: View) -> str:
    """Return what the numbers in the table mean. Only numbers that the table has are explained."""
    rows = [row for skill in view.skills for student in skill.students for row in student.arms]
    arms = any(len(student.arms) > 1 for skill in view.skills for student in skill.students)
    tokens = any(row.tokens.input or row.tokens.output for row in rows)
    shared = "they and the time are" if tokens else "The time is"
    said = [
        "Lift is paired by case, with its 95% interval." if view.lift else "",
        f"p allows for {len(view.lift)} comparisons (Holm)." if len(view.lift) > 1 else "",
        ("Tokens are in+out;" if arms else "Tokens are in+out.") if tokens else "",
        f"{shared} of all arms together." if arms else "",
        "Assertions are averages." if any(row.assertions_total is not None for row in rows) else "",
    ]
    return " ".join(filter(None, said))
