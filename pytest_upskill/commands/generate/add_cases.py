"""``upskill-gen add-cases SKILL``: more proven cases for a skill."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_upskill.commands.generate.asking import STATUSES, AskOptions, Session, asks_a_teacher, language_option
from pytest_upskill.commands.generate.existing import existing
from pytest_upskill.commands.generate.new import show_plan
from pytest_upskill.generator.estimate import steps_of
from pytest_upskill.generator.questions import plan_step


@click.command("add-cases", epilog=STATUSES)
@click.argument("path", metavar="SKILL", type=click.Path(path_type=Path))
@click.option("--cases", type=click.IntRange(1, 200), default=5, show_default=True, help="The number of new cases.")
@language_option(None)
@asks_a_teacher
def command(path: Path, cases: int, language: str | None, options: AskOptions) -> None:
    """Add proven cases to a skill.

    SKILL is a skill's folder, made by upskill-gen or not. The teacher plans operators that the skill has no case for;
    new cases are split so that training and held-out part stay equal.
    """
    found, session = existing(path, language), Session(options, "add-cases")
    name = found.folder.name
    steps = steps_of(found.order, cases, name, with_skill=False)
    session.tell_estimate([plan_step(found.order, cases, found.cases, name), *steps[1:]])
    with session.writing(found.order, name) as writing:
        plan = writing.plan(cases, found.cases, name)
        if plan is not None:
            show_plan(session, plan)
            session.progress.expect(len(plan.cases))
            writing.add(found.folder, plan.cases)
    session.finish(writing.result)
