"""Asks a teacher for the queries of ``evals/triggers.json``, and checks the answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.triggers import parse_triggers
from pytest_upskill.documents.markdown import fences, lines_of
from pytest_upskill.errors import CaseError
from pytest_upskill.generator.answers import Refused, checked_text
from pytest_upskill.generator.descriptions import LONGEST_BODY
from pytest_upskill.generator.feedback import fence_for
from pytest_upskill.generator.teacher import Step
from pytest_upskill.records import Prompt, Reply
from pytest_upskill.skills.arms import prompt_text
from pytest_upskill.skills.noise import shown
from pytest_upskill.skills.skill import parse_skill

SYSTEM = "Your answers are read by a program: keep exactly to the format that each question asks for."
LEAST_SHARE = 0.4
"""The least share of each kind among the queries."""
LONGEST = 2000
"""The most characters of a query."""


def queries_step(path: Path, text: str, count: int) -> Step:
    """The question for ``count`` queries about the skill with this text."""
    own, body = shown(path, text), parse_skill(text, path).body.strip()[:LONGEST_BODY]
    user = Template(prompt_text("triggers_queries")).substitute(
        name=own.name, description=own.description, body=body, fence=fence_for(body), count=count,
        yes=count - count // 2, no=count // 2,
    )  # fmt: skip
    return Step("triggers-queries", Prompt(SYSTEM, user))


def read_queries(reply: Reply, path: Path, skill: str, count: int) -> list[Case]:
    """The queries in an answer, at least nine tenths of ``count``, for the file ``path``. Raises Refused."""
    text = checked_text(reply)
    blocks = [block for block in fences(lines_of(text)) if block.language in ("json", "")]
    if len(blocks) > 1:
        raise Refused("the answer holds several blocks; write one, with the whole list")
    try:
        found = parse_triggers(blocks[0].source if blocks else text, path, skill)
    except CaseError as error:
        place = f"line {error.line} of the list: " if error.line else ""
        raise Refused(f"{place}{error.message}") from None
    if len(found) * 10 < count * 9:
        raise Refused(f"the list has {len(found)} queries; write {count}")
    for side in (True, False):
        number = sum(case.should_trigger is side for case in found)
        if number < LEAST_SHARE * len(found):
            raise Refused(
                f"only {number} of {len(found)} queries have 'should_trigger': {str(side).lower()}; write half"
            )
    for case in found:
        if skill.casefold() in case.task.casefold():
            raise Refused(f"the query {case.task[:80]!r} names the skill; users do not know its name")
        if len(case.task) > LONGEST:
            raise Refused(f"the query {case.task[:80]!r} has more than {LONGEST} characters: shorten it")
    return found


def as_text(queries: Sequence[Case]) -> str:
    """The text of ``triggers.json``, one query in each line."""
    entries = ({"query": case.task, "should_trigger": case.should_trigger} for case in queries)
    return "[\n" + ",\n".join(f"  {json.dumps(one, ensure_ascii=False)}" for one in entries) + "\n]\n"
