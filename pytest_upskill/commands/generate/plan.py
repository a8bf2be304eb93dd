"""``upskill-gen plan SKILL --lift L``: shows how many cases and trials decide a lift of this size, and what they can
cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from pytest_upskill.cases.case import Case
from pytest_upskill.commands.generate.asking import Real, Usd
from pytest_upskill.commands.generate.progress import Progress
from pytest_upskill.commands.generate.student_runs import Subject, subject_of
from pytest_upskill.commands.history_options import terminal_style
from pytest_upskill.errors import UsageError
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Task
from pytest_upskill.generator.experiment import BASELINE, SKILL, Cost
from pytest_upskill.records import ItemKind
from pytest_upskill.replies.budget import worst_case
from pytest_upskill.replies.ledger import in_usd
from pytest_upskill.reporting.text_style import TextStyle, measure, pad, percent, plural
from pytest_upskill.statistics.power import MOST_CASES, Assumed, cases_needed, detectable_lift, power
from pytest_upskill.statistics.significance import LEVEL

_TRIALS = (1, 2, 3, 5)
_ARMS = 2
_NOBODY = "demo"
"""The built-in student that is used if the user names none."""
ENOUGH, TOO_LITTLE = 0, 7


@dataclass(frozen=True, slots=True)
class Design:
    """A number of cases, a number of trials of each case, and the probability (``power``) that they find the lift.

    ``most`` is the maximum cost of all replies in both arms for all students, or None if no student is named.
    """

    cases: int
    trials: int
    power: float
    most: Cost | None

    @property
    def replies(self) -> int:
        """Return the number of replies for each student."""
        return _ARMS * self.cases * self.trials


@click.command(
    "plan",
    epilog="Exit status: 0 if a design within the budget finds the lift with the required power, without more "
    "cases than the skill has; 7 if more cases or a larger budget are needed; 2 for a usage error.",
)
@click.argument("skill", metavar="SKILL", type=click.Path(path_type=Path))
@click.option(
    "--lift",
    type=Real(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="The lift that the run must be able to detect.",
)
@click.option("--baseline", type=Real(0, 1), default=0.4, show_default=True, help="The pass rate without the skill.")
@click.option("--trials", metavar="N", type=click.IntRange(1, 20), help="Only this number of trials of each case.")
@click.option(
    "--student", "students", metavar="NAME", multiple=True, help="A student whose prices are used; can be repeated."
)
@click.option("--budget", metavar="USD", type=Usd(), help="Maximum cost of all replies.")
@click.option(
    "--power",
    "wanted",
    type=Real(0.05, 0.99),
    default=0.8,
    show_default=True,
    help="The required probability of detecting the lift.",
)
@click.option(
    "--spread",
    type=Real(0, 1),
    default=0.5,
    show_default=True,
    help="How much cases differ: 0 if all are equally hard, 1 if each always passes or always fails.",
)
@click.pass_context
def command(
    ctx: click.Context,
    skill: Path,
    lift: float,
    baseline: float,
    trials: int | None,
    students: tuple[str, ...],
    budget: float | None,
    wanted: float,
    spread: float,
) -> None:
    """Show how many cases and trials decide a lift, and what they can cost.

    No student is queried. The table has rows for the number of cases in SKILL, and for the number that reaches
    --power. Each row shows the probability (power) that a lift of --lift gets the verdict 'better', and the maximum
    cost of the replies.
    """
    if baseline + lift > 1 + 1e-9:
        raise UsageError(f"--lift {lift:g} over --baseline {baseline:g} is a pass rate above 1; lower one of them")
    subjects = [subject_of(skill, name, Progress()) for name in dict.fromkeys(students) or (_NOBODY,)]
    assumed, each = Assumed(baseline, lift, spread), _each_case(subjects) if students else None
    _check_budget(subjects, each, budget)
    level, present = LEVEL / len(subjects), len(subjects[0].cases)
    designs = list(_designs(assumed, present, (trials,) if trials else _TRIALS, wanted, level, each, budget))
    style = terminal_style()
    for line in _lines(subjects[0], assumed, designs, wanted, level, budget, style):
        click.echo(line)
    good = [one for one in designs if one.cases <= present and one.power >= wanted and _within(one, budget)]
    ctx.exit(ENOUGH if good else TOO_LITTLE)


def _each_case(subjects: Sequence[Subject]) -> Cost:
    """Return the maximum cost of one trial of one case in both arms, averaged over the cases and summed over the
    students.
    """
    renderer, total = PromptRenderer(), Cost()
    for subject in subjects:
        for case in subject.cases:
            for arm in (SKILL, BASELINE):
                worst = worst_case(subject.student, renderer.of(_task(subject, case, arm.name)).prompt)
                total += Cost(1, 0, worst.tokens, worst.usd)
    cases = len(subjects[0].cases)
    usd = None if total.usd is None else total.usd / cases
    return Cost(_ARMS * len(subjects), 0, -(-total.tokens // cases), usd)


def _task(subject: Subject, case: Case, arm: str) -> Task:
    return Task(
        id=case.name, kind=ItemKind(case.kind), skill=case.skill, skill_path=subject.skill_path, case=case,
        student=subject.student.name, arm=arm, trial=1, seed=0, examples=None, example=None, replay="",
        disclosure=subject.student.disclosure,
    )  # fmt: skip


def _check_budget(subjects: Sequence[Subject], each: Cost | None, budget: float | None) -> None:
    if budget is None:
        return
    if each is None:
        raise UsageError("--budget needs prices: name the students with --student")
    if each.usd is None:
        unpriced = next(one.student.name for one in subjects if one.student.price is None)
        remedy = f"add 'price' to [tool.upskill.students.{unpriced}] in pyproject.toml, or leave --budget out"
        raise UsageError(f"--budget: the price of the student '{unpriced}' is not known; {remedy}")


def _designs(
    assumed: Assumed,
    present: int,
    trials: Sequence[int],
    wanted: float,
    level: float,
    each: Cost | None,
    budget: float | None,
) -> Iterator[Design]:
    """Yield the design with the present cases for each number of trials, then designs with more cases that reach
    ``wanted``.

    If none of these designs is within the budget, the design with the most cases that the budget allows is added.
    """

    def design(cases: int, number: int) -> Design:
        return Design(cases, number, power(assumed, cases, number, level), each and each * (cases * number))

    designs = [design(present, number) for number in trials]
    for one in list(designs):
        needed = cases_needed(assumed, one.trials, wanted, level) if one.power < wanted else None
        if needed is not None:
            designs.append(design(needed, one.trials))
    least = min(trials)
    if budget is not None and each and each.usd and not any(_within(one, budget) for one in designs):
        affordable = int(budget / (each.usd * least))
        designs += [design(affordable, least)] if affordable else []
    yield from designs


def _within(design: Design, budget: float | None) -> bool:
    return budget is None or design.most is None or design.most.usd is None or design.most.usd <= budget


def _lines(
    subject: Subject, assumed: Assumed, designs: Sequence[Design], wanted: float, level: float, budget: float | None,
    style: TextStyle,
) -> Iterator[str]:  # fmt: skip
    present = len(subject.cases)
    shown = f"a lift of {_points(assumed.lift)} over {100 * assumed.baseline:g}%"
    yield from style.wrap(f"{subject.name}: {plural(present, 'case')}; to be found: {shown}", style.width)
    yield ""
    rows = [("cases", "trials", "replies", *(["at most"] if designs[0].most else []), "power")]
    rows += [tuple(_cells(one)) for one in designs]
    widths = [max(measure(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        marks = "" if not number else _remark(designs[number - 1], present, wanted, budget)
        yield f"  {'  '.join(pad(cell, width, '>') for cell, width in zip(row, widths, strict=True))}  {marks}".rstrip()
    yield ""
    yield from style.wrap(_conclusion(assumed, designs, present, wanted, level, budget), style.width)
    alike = "the skill helps all cases alike: where it helps some and not others, more cases are needed"
    yield from style.wrap(f"assumed: cases differ (--spread {assumed.spread:g}), and {alike}", style.width)


def _cells(design: Design) -> Iterator[str]:
    yield from (str(design.cases), str(design.trials), str(design.replies))
    if (most := design.most) is not None:
        yield f"{most.tokens:,} tokens" if most.usd is None else in_usd(most.usd)
    yield percent(design.power)


def _remark(design: Design, present: int, wanted: float, budget: float | None) -> str:
    enough = "enough" if design.power >= wanted else "too few"
    said = enough if design.cases <= present else f"{plural(design.cases - present, 'case')} more"
    return said if _within(design, budget) else f"{said}; over the budget"


def _conclusion(
    assumed: Assumed, designs: Sequence[Design], present: int, wanted: float, level: float, budget: float | None
) -> str:
    """Return the conclusion in words: the cheapest design that has the wanted power and fits the budget.

    Designs with the present cases come before designs with more cases.
    """
    having = [one for one in designs if one.power >= wanted]
    order = sorted(designs, key=lambda one: (one.cases > present, one.cases * one.trials))
    fitting = [one for one in order if _within(one, budget)]
    if best := next((one for one in fitting if one in having), None):
        step = "" if best.cases <= present else f"; add {plural(best.cases - present, 'case')}"
        return f"{_named(best)} find it with a probability of {percent(best.power)}{step}"
    if not having:
        return f"{MOST_CASES:,} cases are too few; {_smallest(assumed, order[-1], wanted, level)}"
    raised = min(one.most.usd for one in having if one.most and one.most.usd is not None)
    text = f"the budget is too small: {in_usd(raised)} would do"
    return f"{text}; within it, {_smallest(assumed, fitting[-1], wanted, level)}" if fitting else text


def _named(design: Design) -> str:
    return f"{plural(design.cases, 'case')} with {plural(design.trials, 'trial')} each"


def _smallest(assumed: Assumed, design: Design, wanted: float, level: float) -> str:
    """Return the smallest lift that a design finds, in words."""
    found = detectable_lift(assumed.baseline, assumed.spread, design.cases, design.trials, wanted, level)
    return f"{_named(design)} find {'no lift' if found is None else f'a lift of {_points(found)} or more'}"


def _points(lift: float) -> str:
    return f"{100 * lift:g} {'point' if round(100 * lift, 9) == 1 else 'points'}"
