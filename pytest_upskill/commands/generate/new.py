"""``upskill-gen new "TASK"``: lets a teacher write a skill with proven cases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from pytest_upskill.commands.generate.asking import (
    STATUSES,
    Asking,
    AskOptions,
    asks_a_teacher,
    contract_option,
    language_option,
)
from pytest_upskill.commands.generate.baseline import check, measure
from pytest_upskill.generator.answers import MOST_NOTES, SKILL_NAME, Plan, is_reserved
from pytest_upskill.generator.estimate import Steps, steps_of
from pytest_upskill.generator.questions import Order, part_step

_NOTES = 4000
"""The assumed length (in characters) of the notes on a part that do not exist yet, for estimates."""


@click.command("new", epilog=STATUSES)
@click.argument("task", metavar="TASK")
@click.option(
    "--cases",
    type=click.IntRange(1, 200),
    default=20,
    show_default=True,
    help="The number of cases; half are held out to measure improvements.",
)
@click.option("--name", metavar="NAME", help="The name of the skill.  [default: the teacher's]")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("skills"),
    show_default=True,
    help="The folder in which the skill's folder is created.",
)
@language_option()
@contract_option()
@click.option(
    "--student",
    metavar="NAME",
    help="Measure each case's difficulty as the pass rate of this student without the skill.",
)
@click.option(
    "--plan", "only_plan", is_flag=True, help="Stop after the plan; run the command again without --plan to continue."
)
@asks_a_teacher
def command(
    task: str,
    cases: int,
    name: str | None,
    into: Path,
    language: str,
    contract: str,
    student: str | None,
    only_plan: bool,
    options: AskOptions,
) -> None:
    """Write a skill with proven cases.

    TASK says what the skill is for, in a sentence or more. The teacher plans the cases, and then writes the skill and
    each case. A case is kept only if it is proven in a sandbox. What the teacher wrote is not trusted until you have
    read it and run 'upskill-gen accept'.
    """
    if not task.strip():
        raise click.BadParameter("TASK is empty: say what the skill is for")
    check_name(name)
    order = Order(task.strip(), language, contract)
    write(Asking(options, "new"), order, cases, name or "", into, student, only_plan)


def write(
    asking: Asking,
    order: Order,
    cases: int,
    name: str,
    into: Path,
    student: str | None = None,
    only_plan: bool = False,
    parts: Sequence[str] = (),
) -> None:
    """Write a skill with the teacher, and end the command.

    ``parts`` are the parts of the material if it is too long for one question.
    """
    steps = _steps(order, cases, name, parts)
    measured = check(asking, student, cases) if student else None
    asking.tell_estimate(steps)
    with asking.writing(order, name) as writing:
        plan = writing.plan(cases, name=name) if not parts or writing.notes(parts) else None
        if plan is not None:
            show_plan(asking, plan)
            if not only_plan:
                asking.progress.expect(len(plan.cases))
                writing.new(plan, into)
                if measured is not None:
                    measure(asking, writing, measured)
    asking.finish(writing.result, "to write the skill, run the same command without --plan" if only_plan else "")


def _steps(order: Order, cases: int, name: str, parts: Sequence[str]) -> Steps:
    """Return the questions that will be asked. With ``parts``, questions on each part come first, and the other
    questions are about the notes on the parts.
    """
    if not parts:
        return steps_of(order, cases, name)
    noted = [part_step(replace(order, material=one), at, len(parts)) for at, one in enumerate(parts, 1)]
    likely, longest = (
        steps_of(replace(order, material="x" * (size * len(parts))), cases, name) for size in (_NOTES, MOST_NOTES)
    )
    return Steps([*noted, *likely.likely], [*noted, *longest.longest])


def check_name(name: str | None) -> None:
    """Raise BadParameter unless the text is a valid skill name."""
    if name is not None and (not re.fullmatch(SKILL_NAME, name) or len(name) > 64 or is_reserved(name)):
        raise click.BadParameter(f"--name: {name!r} is not a skill name: use lower-case letters, digits and hyphens")


def show_plan(asking: Asking, plan: Plan) -> None:
    """Print the plan on stderr."""
    asking.progress.line(f"plan for '{plan.skill}':")
    width = max(len(one.name) for one in plan.cases)
    for one in plan.cases:
        asking.progress.line(f"  {one.difficulty}  {one.name.ljust(width)}  {one.operator}")
