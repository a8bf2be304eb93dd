"""The Markdown report, for a pull request or a job summary on GitHub."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from pytest_upskill.history.comparison import Comparison
from pytest_upskill.records import ItemKind, Outcome, VerdictKind
from pytest_upskill.reporting import text_style as texts
from pytest_upskill.reporting.comparison import contrasts, counts, groups, rate_texts
from pytest_upskill.reporting.gate_lines import gate_text
from pytest_upskill.reporting.lift import LiftRow
from pytest_upskill.reporting.rubric import judge_texts
from pytest_upskill.reporting.statistics_lines import statistics_notes
from pytest_upskill.reporting.triggers import trigger_texts
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, SkillView, StudentView, SummaryRow, View, has_student

MARKER = "<!-- pytest-upskill -->"
"""The first line. By this line, a bot finds the comment that it has to replace."""

_FITS = 60_000
"""The maximum length (in characters) of a report, because GitHub refuses comments of more than 65,536."""
_ROWS = (30, 15, 7, 3, 1)
"""Numbers of rows for each table of items. They are tried in this order until the report fits."""
_LONGEST = 500
"""The maximum number of columns of a text in a cell."""
_ZERO_WIDTH_SPACE = "\u200b"
_LINKED = re.compile(r"@(?=\S)|#(?=\d)|GH(?=-\d)|(?:https?|ftp)(?=:)|www(?=\.)", re.IGNORECASE)
"""The places where GitHub begins a mention, an e-mail address, an issue reference or a link, even if they are
escaped.
"""
_ENTITIES = {"&": "&amp;", "$": "&dollar;"}
"""Replacements for characters, because GitHub decodes entities before it looks for mentions, and reads a text between
dollar signs as a formula.
"""
_STYLE = texts.TextStyle(width=_LONGEST, color=False, unicode=True)
_UNDECIDED = (VerdictKind.INCONCLUSIVE, VerdictKind.BUDGET_STOPPED)


def render(view: View) -> str:
    """Return the whole file."""
    for most in _ROWS:
        lines = list(_lines(view, most))
        if sum(map(len, lines)) + len(lines) <= _FITS:
            return "\n".join(lines) + "\n"
    return "\n".join(_cut(lines))


def _cut(lines: Sequence[str]) -> Iterator[str]:
    left = _FITS
    for line in lines:
        left -= len(line) + 1
        if left < 200:
            break
        yield line
    yield from ("", "The report is cut here: it is too long for a comment on GitHub.", "")


def _lines(view: View, most: int) -> Iterator[str]:
    yield from (MARKER, "# Skills")
    if view.gates:
        yield from ("", *(f"- **gate {row.verdict}** {_safe(gate_text(row, _STYLE))}" for row in view.gates))
    for skill in view.skills:
        yield from ("", f"## {_safe(skill.name)}", "")
        rates = list(_rates(skill, view))
        yield from rates
        chosen = [f"- {_safe(name)}: {_safe(text)}" for name, text in trigger_texts(skill.triggers, view.run.noise)]
        yield from [*([""] if rates and chosen else []), *chosen]
    yield from ("", *(f"- Judge: {_safe(text)}" for text in judge_texts(view.judges))) if view.judges else ()
    yield from _notes(view, most)
    if view.since is not None:
        yield from _since(view.since, most)
    yield from _sections(view, most)
    run = view.run
    device = "cpu; not a proof of the tolerance on a GPU" if run.device == "cpu" else run.device
    yield from ("", f"Device: {device}. Seed: {run.seed}. Started: {run.started}. Took {texts.duration(run.seconds)}.")


def _since(since: Comparison, most: int) -> Iterator[str]:
    """Yield what changed since the run that this run is compared with."""
    number, started = since.before.number, since.before.info.started
    yield from ("", f"## Since run {number} of {_safe(started[:10])}", "", f"{counts(since)}.", "")
    for group in groups(since, _STYLE, most):
        yield f"- {group.heading}: {'; '.join(map(_safe, group.changes))}{f' and {group.more} more' * bool(group.more)}"
    yield from (f"- {_safe(text)}" for text in islice(rate_texts(since, _STYLE), most))
    yield from (f"- Differs: {_safe(text)}" for text in islice(contrasts(since, _STYLE), most))


def _sections(view: View, most: int) -> Iterator[str]:
    """Yield the items that did not pass. Failures in other arms than the skill's are no loss, and are folded."""
    kinds = [(item, item.verdict.kind) for item in view.items]
    failed = [item for item, kind in kinds if kind is VerdictKind.FAILED]
    control = [item for item in failed if has_student(item) and item.arm != SKILL_ARM]
    apart = set(map(id, control))
    yield from _section("Failed", [item for item in failed if id(item) not in apart], most)
    errors = [item for item, kind in kinds if kind is VerdictKind.INFRASTRUCTURE_ERROR]
    yield from _section("Infrastructure errors", errors, most)
    yield from _section("Not decided", [item for item, kind in kinds if kind in _UNDECIDED], most)
    if control:
        title = f"Failed without the skill: {texts.plural(len(control), 'item')}"
        yield from ("", f"<details><summary>{title}</summary>")
        yield from (*_table(control, most, verdicts=False), "", "</details>")


def _rates(skill: SkillView, view: View) -> Iterator[str]:
    if view.run.self_check:
        passed = sum(item.verdict.kind is VerdictKind.PASSED for item in skill.judged)
        yield f"{passed} of {texts.plural(len(skill.judged), 'case')} pass their own solution."
        yield from _mutants(skill.of_kind(ItemKind.MUTANTS))
        return
    if not skill.students:
        yield from [] if skill.triggers else ["No student was judged."]
        return
    yield "| student | arm | passed | rate | 95% interval | lift of the skill | assertions | tokens | cost | time |"
    yield "|---|---|---:|---:|---|---|---:|---:|---:|---:|"
    for student in skill.students:
        for row in student.arms:
            yield _row(student, row)
    facts = [(student.name, fact) for student in skill.students
             for fact in statistics_notes(student, len(view.lift), _STYLE)]  # fmt: skip
    if facts:
        yield from ("", *(f"- {_safe(name)}: {_safe(fact)}" for name, fact in facts))
    turns = [line for student in skill.students for row in student.arms for line in _turns(student, row)]
    if turns:
        yield from ("", "Passed by turn:", "", *turns)


def _mutants(items: Sequence[Outcome]) -> Iterator[str]:
    """Yield the score of each case's mechanical mutants, and the mutants that survived."""
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


def _notes(view: View, most: int) -> Iterator[str]:
    """Yield each note once, with the number of its items."""
    if view.gap:
        yield from ("", f"{view.gap}.")
    if shown := list(Counter(note for item in view.items for note in item.notes).items())[:most]:
        yield from ("", *(f"- Note: {_safe(note)} ({texts.plural(number, 'item')})" for note, number in shown))


def _section(title: str, items: Sequence[Outcome], most: int) -> Iterator[str]:
    if items:
        yield from ("", f"## {title} ({len(items)})", *_table(items, most))


def _table(items: Sequence[Outcome], most: int, verdicts: bool = True) -> Iterator[str]:
    """Yield a table of the first items, and the commands that repeat these items."""
    headings = ["item", *(["verdict"] if verdicts else []), "why", "smallest counterexample"]
    yield from ("", f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}")
    for item in items[:most]:
        first, found = item.verdict.headline, item.verdict.counterexample
        why = f"{first.name}: {first.message}" if first else item.verdict.reason or ""
        values = [f"{name} = {value}" for name, value in (found.inputs if found else {}).items()]
        example = ", ".join(map(_code, [str(found.example), *values] if found else []))
        cells = [_safe(item.id), *([item.verdict.kind.value] if verdicts else []), _safe(why), example]
        yield f"| {' | '.join(cells)} |"
    if len(items) > most:
        yield from ("", f"and {len(items) - most} more.")
    yield from _commands([item.replay for item in items[:most] if item.replay])


def _commands(commands: Sequence[str]) -> Iterator[str]:
    if not commands:
        return
    lines = [" ".join(command.split("\n")) for command in commands]
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    yield from ("", "<details><summary>Commands to repeat them</summary>", "", f"{fence}sh", *lines, fence)
    yield from ("", "</details>")


def _code(text: str) -> str:
    """Return a text for a cell, formatted as code, so that nothing in it is a link or markup."""
    return f"`{_STYLE.clean(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _safe(text: str) -> str:
    """Return one line without markup, links and mentions, so that a reply cannot change the report or notify anyone."""
    (line,) = _STYLE.wrap(" ".join(text.split()), _LONGEST, 1) or [""]
    line = re.sub(r"[\\`*_{}\[\]<>()#|~!&$]", lambda found: _ENTITIES.get(found.group(), f"\\{found.group()}"), line)
    return _LINKED.sub(lambda found: f"{found.group()}{_ZERO_WIDTH_SPACE}", line)
