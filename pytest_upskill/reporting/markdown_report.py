"""The Markdown report, for a pull request or a job summary on GitHub."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, SkillView, StudentView, SummaryRow, View

_FAILURES = 30
_LONGEST = 2000
"""Columns of a text, which a cell wraps: a message of a compiler may be longer."""
_ZERO_WIDTH_SPACE = "\u200b"
_LINKED = re.compile(r"@(?=\S)|#(?=\d)|GH(?=-\d)|(?:https?|ftp)(?=:)|www(?=\.)", re.IGNORECASE)
"""Where GitHub begins a mention, an e-mail address, an issue reference or a link, whether or not it is escaped."""
_STYLE = texts.TextStyle(width=_LONGEST, color=False, unicode=True)


def render(view: View) -> str:
    """The whole file."""
    return "\n".join(_lines(view)) + "\n"


def _lines(view: View) -> Iterator[str]:
    yield "# Skills"
    for skill in view.skills:
        yield from ("", f"## {_safe(skill.name)}", "")
        yield from _rates(skill, view.run.self_check)
    yield from _notes(view)
    failed = [item for item in view.items if item.verdict.kind is not VerdictKind.PASSED]
    asked = (ItemKind.KERNEL, ItemKind.TEXT)  # in other arms than the skill's, a failure is no loss
    yield from _failures([item for item in failed if item.kind not in asked or item.arm == SKILL_ARM])
    run = view.run
    device = "cpu; not a proof of the tolerance on a GPU" if run.device == "cpu" else run.device
    yield from ("", f"Device: {device}. Seed: {run.seed}. Started: {run.started}. Took {texts.duration(run.seconds)}.")


def _rates(skill: SkillView, self_check: bool) -> Iterator[str]:
    if self_check:
        passed = sum(item.verdict.kind is VerdictKind.PASSED for item in skill.judged)
        yield f"{passed} of {texts.plural(len(skill.judged), 'case')} pass their own solution."
        yield from _mutants(skill.of_kind(ItemKind.MUTANTS))
        return
    if not skill.students:
        yield "No student was judged."
        return
    yield "| student | arm | passed | rate | 95% interval | lift of the skill | assertions | tokens | cost | time |"
    yield "|---|---|---:|---:|---|---|---:|---:|---:|---:|"
    for student in skill.students:
        for row in student.arms:
            yield _row(student, row)
    turns = [line for student in skill.students for row in student.arms for line in _turns(student, row)]
    if turns:
        yield from ("", "Passed by turn:", "", *turns)


def _mutants(items: Sequence[Outcome]) -> Iterator[str]:
    """The score of each case's mechanical mutants, and the survivors."""
    if not (scored := [(item.case or "", item.score) for item in items if item.score is not None]):
        return
    yield from ("", "| case | mutants killed | survived |", "|---|---:|---|")
    for case, score in scored:
        survived = [f"line {one.line}: {one.change}{one.advice and f' ({one.advice})'}" for one in score.survived]
        yield f"| {_safe(case)} | {score.killed}/{score.total} | {_safe('; '.join(survived))} |"


def _row(student: StudentView, row: SummaryRow) -> str:
    cells = [
        _safe(student.name),
        _safe(texts.arm_label(row.arm)),
        f"{row.passed}/{row.total}" + (f" ({row.undecided})" if row.undecided else ""),
        "" if row.pass_rate is None else texts.percent(row.pass_rate),
        texts.percents(row.interval),
        _lift(student.lift(BASELINE_ARM if row.arm == SKILL_ARM else row.arm), row.arm),
        "" if row.assertions_passed is None else f"{row.assertions_passed:.1f}/{row.assertions_total:.1f}",
        f"{texts.count(row.tokens.input)}+{texts.count(row.tokens.output)}",
        "" if row.cost_usd is None else texts.money(row.cost_usd),
        texts.duration(row.seconds),
    ]
    return f"| {' | '.join(cells)} |"


def _turns(student: StudentView, row: SummaryRow) -> list[str]:
    if len(row.passed_by_turn) < 2:
        return []
    rates = ", ".join(map(texts.percent, row.pass_at_turn))
    return [f"- {_safe(student.name)}, {_safe(texts.arm_label(row.arm))}: {rates}"]


def _lift(lift: LiftRow | None, arm: str) -> str:
    if lift is None or lift.lift is None or arm == BASELINE_ARM:
        return ""
    over = "" if arm == SKILL_ARM else " over this"
    return f"{texts.points(lift.lift, _STYLE)} points{over}{texts.spread(lift.interval, _STYLE)}"


def _notes(view: View) -> Iterator[str]:
    """Each note once, with the number of its items."""
    if view.gap:
        yield from ("", f"{view.gap}.")
    if shown := list(Counter(note for item in view.items for note in item.notes).items())[:_FAILURES]:
        yield from ("", *(f"- Note: {_safe(note)} ({texts.plural(number, 'item')})" for note, number in shown))


def _failures(items: Sequence[Outcome]) -> Iterator[str]:
    if not items:
        return
    yield from ("", "## Not passed", "", "| item | verdict | why | smallest counterexample |", "|---|---|---|---|")
    for item in items[:_FAILURES]:
        first, found = item.verdict.headline, item.verdict.counterexample
        why = f"{first.name}: {first.message}" if first else item.verdict.reason or ""
        values = [f"{name} = {value}" for name, value in (found.inputs if found else {}).items()]
        shown = [str(found.example), *map(_STYLE.clean, values)] if found else []
        example = ", ".join(f"`{text}`" for text in shown)
        yield f"| {_safe(item.id)} | {item.verdict.kind.value} | {_safe(why)} | {example} |"
    if len(items) > _FAILURES:
        yield from ("", f"and {len(items) - _FAILURES} more.")


def _safe(text: str) -> str:
    """One line without markup, links and mentions: the text of a reply must not write our report, nor notify anyone."""
    (line,) = _STYLE.wrap(" ".join(text.split()), _LONGEST, 1) or [""]
    line = re.sub(r"([\\`*_{}\[\]<>()#|~!])", r"\\\1", line)
    return _LINKED.sub(lambda found: f"{found.group()}{_ZERO_WIDTH_SPACE}", line)
