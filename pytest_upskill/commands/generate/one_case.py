"""``upskill-gen case SKILL "one operator"``: adds one proven case, for an operator that the user describes."""

from __future__ import annotations

import re
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
from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.generator.answers import CASE_NAME, README, Plan, PlannedCase, is_reserved
from pytest_upskill.generator.estimate import Steps
from pytest_upskill.generator.planned import Planned, memory
from pytest_upskill.generator.questions import case_step

_MOST_WORDS = 5
_ARTICLES = ("a", "an", "the")


@click.command("case", epilog=STATUSES)
@click.argument("path", metavar="SKILL", type=click.Path(path_type=Path))
@click.argument("operator", metavar="OPERATOR")
@click.option("--name", metavar="NAME", help="The name of the case.  [default: from OPERATOR]")
@click.option("--difficulty", type=click.IntRange(1, 5), default=3, show_default=True, help="From 1 (easy) to 5.")
@language_option(None)
@contract_option(None)
@asks_a_teacher
def command(
    path: Path,
    operator: str,
    name: str | None,
    difficulty: int,
    language: str | None,
    contract: str | None,
    options: AskOptions,
) -> None:
    """Add one proven case to a skill.

    SKILL is a skill's folder. OPERATOR says in words what the kernel computes.
    """
    found, asking = existing(path, language, contract), Asking(options, "case")
    called = name or _name_from(operator)
    if not re.fullmatch(CASE_NAME, called) or called == README or is_reserved(called):
        what = f"'{called}'" if called else "OPERATOR"
        raise UsageError(f"{what} gives no name for the case: give --name, in lower-case letters, digits and '_'")
    if not 3 <= len(operator.strip()) <= 600:
        raise UsageError("OPERATOR must have 3 to 600 characters: say what the kernel computes")
    planned = PlannedCase(name=called, operator=operator.strip(), difficulty=difficulty)
    _check_is_new(found, planned)
    order, folder = found.order, found.folder
    kept = memory(asking.root, folder, ["case", options.teacher, order.task, order.language, order.contract, planned])
    others = [one for one in found.cases if one.name != called]
    before = kept.read() or Planned(plan=_plan(planned), existing=tuple(one.name for one in others))
    beside = [one for one in others if one.name in before.existing]
    steps = [case_step(order, folder.name, planned, [], beside)]
    asking.tell_estimate(Steps(steps, steps))
    with asking.writing(order, folder.name) as writing:
        kept.begin(before.plan, before.existing)
        asking.progress.expect(1)
        writing.add(folder, [planned], before.existing)
        if writing.result.is_complete:
            kept.end()
    asking.finish(writing.result)


def _plan(planned: PlannedCase) -> Plan:
    return Plan(skill="one-case", cases=(planned,))


def _check_is_new(found: Existing, planned: PlannedCase) -> None:
    """Raise UsageError if, by the skill's record, the skill has a case of this name for another operator."""
    known = {case.name: case.path for case in found.cases}  # includes the cases that the skill takes from another skill
    path = known.get(planned.name, found.folder / "evals" / f"{planned.name}.md")
    made = found.made.get(planned.name)
    if not path.exists() or (made and made.operator == planned.operator):
        return
    asked = f", written for {made.operator!r}" if made and made.operator else ""
    rule = "a case is not replaced: give another name with --name, or edit the file"
    raise UsageError(f"the skill has a case '{planned.name}' already ({shown_path(path)}{asked}); {rule}")


def _name_from(operator: str) -> str:
    """Return a case name: the operator's name if the text is a schema, else its first words in ASCII, joined."""
    head = operator.partition("(")[0] if re.match(r"\s*\w+\(", operator) else operator
    words = [word for word in re.findall(r"[a-z][a-z0-9_]*", head.lower()) if word not in _ARTICLES][:_MOST_WORDS]
    return "_".join(words)[:48].strip("_")
