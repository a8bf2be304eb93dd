"""The estimate of ``new`` and ``add-cases``: no question is longer than those that it prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.generator import questions
from pytest_upskill.generator.answers import LONGEST_CASE_NAME, OPERATOR_BYTES, Plan, PlannedCase
from pytest_upskill.generator.estimate import estimate, steps_of
from pytest_upskill.generator.questions import Order
from pytest_upskill.generator.teacher import Step
from pytest_upskill.skills.skill import MAX_NAME
from pytest_upskill.students.base import Price, StudentConfig
from tests.unit import generator_cases as tiny

TEACHER = StudentConfig("master", "scripted", "m", max_tokens=1000, price=Price(1.0, 10.0, 0.1))


def sizes(steps: list[Step]) -> list[int]:
    return [len(step.prompt.text.encode()) for step in steps]


@pytest.mark.parametrize("letter", ["x", "日"])
@pytest.mark.parametrize("count", [1, 7])
def test_longest_questions_are_those_of_the_longest_plan(tmp_path: Path, letter: str, count: int) -> None:
    order = Order(f"{letter} on {letter}", "ja")
    existing = tiny.cases_of(tiny.make_skill(tmp_path, {"seen": tiny.case_text("seen")}))
    operator = letter * (OPERATOR_BYTES // len(letter.encode()))
    names = [f"{'n' * (LONGEST_CASE_NAME - 2)}_{at}" for at in range(count)]
    cases = tuple(PlannedCase(name=name, operator=operator, difficulty=5) for name in names)
    plan = Plan(skill="s" * MAX_NAME, cases=cases)
    steps = steps_of(order, count, "", existing)
    asked = [
        questions.plan_step(order, count, existing),
        questions.skill_step(order, plan),
        *(questions.case_step(order, plan.skill, one, cases, existing) for one in cases),
    ]
    assert sizes(asked) == sizes([*steps.longest])
    assert sum(sizes([*steps.likely])) < sum(sizes(asked))
    found = estimate(TEACHER, steps, 3)
    answered = TEACHER.max_tokens * 3 * len(asked)
    assert found.questions == count + 2 and found.worst_tokens >= 3 * sum(sizes(asked)) + answered
    assert found.likely_usd and found.worst_usd and found.likely_usd < found.worst_usd
