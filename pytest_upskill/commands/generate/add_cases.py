"""``upskill-gen add-cases SKILL``: adds proven cases to a skill."""

from __future__ import annotations

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
from pytest_upskill.commands.generate.existing import Existing, existing
from pytest_upskill.commands.generate.new import show_plan
from pytest_upskill.errors import shown_path
from pytest_upskill.generator.estimate import Steps, steps_of
from pytest_upskill.generator.planned import Planned, memory
from pytest_upskill.generator.questions import case_step


@click.command("add-cases", epilog=STATUSES)
@click.argument("path", metavar="SKILL", type=click.Path(path_type=Path))
@click.option("--cases", type=click.IntRange(1, 200), default=5, show_default=True, help="The number of new cases.")
@language_option(None)
@contract_option(None)
@asks_a_teacher
def command(path: Path, cases: int, language: str | None, contract: str | None, options: AskOptions) -> None:
    """Add proven cases to a skill.

    SKILL is a skill's folder; upskill-gen need not have written it. The teacher plans operators for which the skill
    has no case. New cases are distributed so that the training part and the held-out part stay equal. If you repeat
    the command, it continues with the same plan until all of its cases are written.
    """
    found, asking = existing(path, language, contract), Asking(options, "add-cases")
    order, folder = found.order, found.folder
    name = folder.name
    kept = memory(
        asking.root, folder, ["add-cases", options.teacher, order.task, order.language, order.contract, cases]
    )
    planned = kept.read()
    asking.tell_estimate(_steps(found, cases, planned))
    with asking.writing(order, name) as writing:
        writing.result.folder = folder
        if planned is not None:
            writing.result.plan = planned.plan
            asking.progress.line(f"continues its plan; to plan anew, delete {shown_path(kept.path)}")
        elif plan := writing.plan(cases, found.cases, name):
            planned = kept.begin(plan, [case.name for case in found.cases])
        if planned is not None:
            show_plan(asking, planned.plan)
            asking.progress.expect(len(planned.plan.cases))
            writing.add(folder, planned.plan.cases, planned.existing)
            if writing.result.is_complete:
                kept.end()
    asking.finish(writing.result)


def _steps(found: Existing, cases: int, planned: Planned | None) -> Steps:
    """Return the questions that will be asked: those of the plan ``planned``, or those for a new plan of ``cases``
    cases.
    """
    name = found.folder.name
    if planned is not None:
        there = [case for case in found.cases if case.name in planned.existing]
        all_steps = {
            one.name: case_step(found.order, name, one, planned.plan.cases, there) for one in planned.plan.cases
        }
        if steps := [step for one, step in all_steps.items() if one not in {case.name for case in found.cases}]:
            return Steps(steps, steps)
    return steps_of(found.order, cases, name, found.cases, with_skill=False)
